/** Which workers are shown and in which order, and what they are together. */
import { isThere } from '../../fleet/there';
import { compared, type Sorting, type Value } from '../../fleet/held';
import { epoch } from '../../lib/format';
import type { Worker, WorkerState } from '../../lib/protocol';
import type { Hour } from './hour';
import { ascending } from '../../lib/order';

export const STATES = ['lost', 'silent', 'online', 'offline'] as const satisfies readonly WorkerState[];
export const SORTS = [
  ...(['state', 'name', 'busy', 'reserved', 'load', 'started', 'processed', 'ended'] as const),
] as const;
export type WorkerSort = (typeof SORTS)[number];
export type WorkerSorting = Sorting<WorkerSort>;

export interface Narrowing {
  source: string | null;
  states: readonly string[];
  queue: string | null;
  words: string | null;
}

/** Without the filter of states, so that each state can be counted. */
export function among(workers: readonly Worker[], { source, queue, words }: Narrowing): Worker[] {
  const wanted = (words ?? '').trim().toLowerCase().split(/\s+/).filter(Boolean);
  return workers.filter(
    (worker) =>
      (source === null || worker.source === source) &&
      (queue === null || worker.queues?.includes(queue) === true) &&
      wanted.every((word) => text(worker).includes(word)),
  );
}

export function inStates(workers: readonly Worker[], states: readonly string[]): Worker[] {
  return states.length === 0 ? [...workers] : workers.filter((worker) => states.includes(worker.state));
}

function text(worker: Worker): string {
  return [worker.name, worker.source, worker.hostname, worker.pool, worker.version, worker.queues?.join(' ')]
    .join(' ')
    .toLowerCase();
}

export function ordered(
  workers: readonly Worker[],
  { field, descending }: WorkerSorting,
  hours: ReadonlyMap<string, Hour>,
): Worker[] {
  const values = new Map(workers.map((worker) => [worker.key, valueOf(worker, field, hours)]));
  const value = (worker: Worker): Value => values.get(worker.key) ?? null;
  return [...workers].sort(
    (a, b) =>
      compared(value(a), value(b), descending) || ascending(a.name, b.name) || ascending(a.source, b.source),
  );
}

function valueOf(worker: Worker, field: WorkerSort, hours: ReadonlyMap<string, Hour>): Value {
  switch (field) {
    case 'state':
      return STATES.indexOf(worker.state);
    case 'name':
      return worker.name;
    case 'busy':
      return worker.active === null || !worker.concurrency
        ? worker.active
        : worker.active / worker.concurrency;
    case 'load':
      return worker.load?.[0] ?? null;
    case 'started':
      return epoch(worker.started_at);
    case 'ended':
      return hours.get(worker.key)?.finished ?? null;
    default:
      return worker[field];
  }
}

export interface Totals {
  states: Record<WorkerState, number>;
  busy: number;
  slots: number;
  /** Online workers whose slots are not known. */
  uncounted: number;
  reserved: number;
  /** Online workers that send no events. */
  silentEvents: number;
}

export function totalsOf(workers: readonly Worker[]): Totals {
  const states = { online: 0, silent: 0, offline: 0, lost: 0 };
  for (const worker of workers) states[worker.state] += 1;
  const there = workers.filter(isThere);
  const sum = (of: (worker: Worker) => number | null): number =>
    there.reduce((all, worker) => all + (of(worker) ?? 0), 0);
  return {
    states,
    busy: sum((worker) => worker.active),
    slots: sum((worker) => worker.concurrency),
    uncounted: there.filter((worker) => worker.concurrency === null).length,
    reserved: sum((worker) => worker.reserved),
    silentEvents: there.filter((worker) => worker.events === false).length,
  };
}

export function queuesOf(workers: readonly Worker[]): string[] {
  return [...new Set(workers.flatMap((worker) => worker.queues ?? []))].sort((a, b) => ascending(a, b));
}
