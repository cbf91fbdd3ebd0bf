/** Which queues are shown and in which order, and what they are together. */
import { compared, type Sorting, type Value } from '../../fleet/held';
import { epoch } from '../../lib/format';
import type { Drain, Queue } from '../../lib/protocol';
import { outlookOf, type Outlook } from './outlook';
import { ascending } from '../../lib/order';

export const SORTS = ['attention', 'name', 'depth', 'empty', 'out', 'oldest', 'consumers'] as const;
export type QueueSort = (typeof SORTS)[number];
export type QueueSorting = Sorting<QueueSort>;

/** A queue with what is reckoned of it. */
export interface QueueView {
  key: string;
  queue: Queue;
  drain: Drain | undefined;
  outlook: Outlook;
  /** Tasks of it that run, as Taskscope knows them; null: not told (yet). */
  running: number | null;
}

export interface Told {
  /** By `source/queue`. */
  drains: ReadonlyMap<string, Drain>;
  running: ReadonlyMap<string, number>;
  /** Epoch milliseconds. */
  read: number;
}

export function views(queues: readonly Queue[], told: Told | null): QueueView[] {
  return queues.map((queue) => {
    const drain = told?.drains.get(queue.key);
    const running = queue.running ?? (told === null ? null : (told.running.get(queue.key) ?? 0));
    return { key: queue.key, queue, drain, outlook: outlookOf(queue, drain, told?.read ?? 0), running };
  });
}

export function matching(all: readonly QueueView[], words: string | null, which: string | null): QueueView[] {
  const wanted = (words ?? '').trim().toLowerCase().split(/\s+/).filter(Boolean);
  return all.filter(
    (view) => isOf(view, which) && wanted.every((word) => view.key.toLowerCase().includes(word)),
  );
}

export const WHICH = ['waiting', 'grows', 'unserved', 'empty'] as const;
export type Which = (typeof WHICH)[number];

function isOf({ queue, outlook }: QueueView, which: string | null): boolean {
  if (which === 'waiting') return (queue.depth ?? 0) > 0;
  const known = WHICH.find((each) => each === which);
  return known === undefined || outlook.is === known;
}

export function ordered(all: readonly QueueView[], { field, descending }: QueueSorting): QueueView[] {
  return [...all].sort(
    (a, b) =>
      compared(valueOf(a, field), valueOf(b, field), descending) ||
      ascending(a.queue.name, b.queue.name) ||
      ascending(a.key, b.key),
  );
}

function valueOf({ queue, drain, outlook }: QueueView, field: QueueSort): Value {
  switch (field) {
    case 'attention':
      return outlook.is === 'unserved' ? 0 : outlook.is === 'grows' ? 1 : 2;
    case 'name':
      return queue.name;
    case 'empty':
      return emptyAt(outlook);
    case 'out':
      return drain?.finished_per_second ?? null;
    case 'oldest':
      return epoch(queue.oldest_at);
    default:
      return queue[field];
  }
}

/** When it is empty, in epoch milliseconds: 0 for now, infinity for never; null where that is not known. */
export function emptyAt(outlook: Outlook): number | null {
  switch (outlook.is) {
    case 'empty':
    case 'keepsUp':
      return 0;
    case 'drains':
    case 'drainsAlone':
      return outlook.at;
    case 'unknown':
      return null;
    default:
      return Number.POSITIVE_INFINITY;
  }
}

export interface Totals {
  waiting: number;
  /** Queues whose depth nobody tells. */
  uncounted: number;
  queues: Record<Which, QueueView[]>;
  /** The one that is empty last. */
  last: QueueView | null;
}

export function totalsOf(all: readonly QueueView[]): Totals {
  const draining = all.filter(({ outlook }) => outlook.is === 'drains' || outlook.is === 'drainsAlone');
  return {
    waiting: all.reduce((sum, { queue }) => sum + (queue.depth ?? 0), 0),
    uncounted: all.filter(({ queue }) => queue.depth === null).length,
    queues: Object.fromEntries(WHICH.map((which) => [which, matching(all, null, which)])) as Totals['queues'],
    last: ordered(draining, { field: 'empty', descending: true })[0] ?? null,
  };
}
