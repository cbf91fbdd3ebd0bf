import { plural } from '../plural';

/** The frame around all pages. */
export const shell = {
  name: 'Taskscope',
  home: 'Taskscope, to the overview',
  navigation: 'Pages',
  pages: {
    overview: 'Overview',
    realtime: 'Realtime',
    tasks: 'Tasks',
    workers: 'Workers',
    queues: 'Queues',
    analytics: 'Analytics',
    sources: 'Sources',
  },
  marks: {
    active: (value: number) => plural(value, 'task runs', 'tasks run'),
    total: (value: number) => plural(value, 'task is known', 'tasks are known'),
    lost: (value: number) => plural(value, 'worker is lost', 'workers are lost'),
    online: (value: number) => plural(value, 'worker is online', 'workers are online'),
    waiting: (value: number) => `${plural(value, 'message waits', 'messages wait')} in the brokers`,
    ill: (value: number) => `${plural(value, 'source has', 'sources have')} a problem`,
  },
  title: {
    quiet: (page: string) => `${page} · Taskscope`,
    active: (active: number, page: string) => `${active} active · ${page} · Taskscope`,
    down: (down: number, page: string) =>
      `⚠ ${plural(down, 'source down', 'sources down')} · ${page} · Taskscope`,
  },
  keys: {
    title: 'Keyboard',
    page: (page: string) => `go to ${page}`,
    search: 'search',
    sheet: 'this sheet',
    enter: 'open what is chosen',
    escape: 'close, leave',
  },
  newVersion: {
    title: 'This page could not be loaded',
    text: 'Taskscope was updated while this page was open, or the connection broke. Loading it anew helps; the address keeps what you chose.',
    reload: 'Load anew',
  },
} as const;
