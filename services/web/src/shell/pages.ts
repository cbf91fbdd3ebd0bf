/** The pages: where they are, what they are called, and their code, which is loaded when they are opened. */
import type { Component } from 'svelte';
import type { IconName } from '../components/icons';
import type { Page } from '../lib/location';

export interface PageInfo {
  icon: IconName;
  /** The second key of its shortcut: `g` and this. */
  key: string;
  load: () => Promise<{ default: Component }>;
}

export const PAGE_INFO: Readonly<Record<Page, PageInfo>> = {
  overview: { icon: 'overview', key: 'o', load: () => import('../pages/overview/Overview.svelte') },
  realtime: { icon: 'realtime', key: 'r', load: () => import('../pages/realtime/Realtime.svelte') },
  tasks: { icon: 'tasks', key: 't', load: () => import('../pages/tasks/Tasks.svelte') },
  workers: { icon: 'workers', key: 'w', load: () => import('../pages/workers/Workers.svelte') },
  queues: { icon: 'queues', key: 'q', load: () => import('../pages/queues/Queues.svelte') },
  analytics: { icon: 'analytics', key: 'a', load: () => import('../pages/analytics/Analytics.svelte') },
  sources: { icon: 'sources', key: 's', load: () => import('../pages/sources/Sources.svelte') },
};
