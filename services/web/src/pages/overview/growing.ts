/** Queues that fill up, and those that nobody empties. */
import { isThere } from '../../fleet/there';
import { epoch } from '../../lib/format';
import type { Drain, Queue, Worker } from '../../lib/protocol';

/** Fewer messages than that come and go: they are no backlog. */
const LEAST_DEPTH = 10;
/** A queue grows when it is deeper than this times the least of the last hour. */
const GROWTH = 1.5;
const MINUTE_MS = 60_000;

export interface GrowingQueue {
  queue: Queue;
  /** Rates and time to drain, as the analytics derive them; null: not known (yet). */
  drain: Drain | null;
  grows: boolean;
  unserved: boolean;
  /** The least depth of the last hour before it rose, and when; epoch milliseconds. */
  least: { depth: number; at: number } | null;
}

/** Those that grow or that nobody takes from, deepest first. */
export function growingQueues(
  queues: readonly Queue[],
  workers: readonly Worker[],
  drains: readonly Drain[],
): GrowingQueue[] {
  return queues
    .map((queue) => rowOf(queue, workers, drainOf(queue, drains)))
    .filter((row) => row.grows || row.unserved)
    .sort((a, b) => Number(b.unserved) - Number(a.unserved) || (b.queue.depth ?? 0) - (a.queue.depth ?? 0));
}

function rowOf(queue: Queue, workers: readonly Worker[], drain: Drain | null): GrowingQueue {
  const least = leastOf(queue);
  return { queue, drain, grows: grows(queue, drain, least), unserved: isUnserved(queue, workers), least };
}

function drainOf(queue: Queue, drains: readonly Drain[]): Drain | null {
  return drains.find((row) => row.source === queue.source && row.queue === queue.name) ?? null;
}

function grows(queue: Queue, drain: Drain | null, least: GrowingQueue['least']): boolean {
  const depth = queue.depth ?? 0;
  if (drain?.grows !== true || least === null) return false;
  return depth >= LEAST_DEPTH && depth >= least.depth * GROWTH;
}

/** The latest of the shallowest minutes: since then it rose. */
function leastOf({ depths, depths_at }: Queue): GrowingQueue['least'] {
  const last = epoch(depths_at);
  if (last === null) return null;
  const known = depths
    .map((depth, index) => ({ depth, at: last - (depths.length - 1 - index) * MINUTE_MS }))
    .filter((one): one is { depth: number; at: number } => one.depth !== null);
  return known.reduce<GrowingQueue['least']>(
    (least, one) => (least === null || one.depth <= least.depth ? one : least),
    null,
  );
}

/**
 * Something waits and nobody takes it. AMQP and RQ count consumers; of a Redis broker the workers say what they take from, so
 * it is not known while one of them did not say.
 */
export function isUnserved(queue: Queue, workers: readonly Worker[]): boolean {
  if ((queue.depth ?? 0) === 0) return false;
  if (queue.consumers !== null) return queue.consumers === 0;
  const present = workers.filter((worker) => worker.source === queue.source && isThere(worker));
  if (present.length === 0 || present.some(({ queues }) => queues === null)) return false;
  return !present.some(({ queues }) => queues?.includes(queue.name));
}

/** What all queues together held in each of the last minutes, oldest first; null where none was counted. */
export function depthsOfAll(queues: readonly Queue[], now: number): (number | null)[] {
  const end = Math.floor(now / MINUTE_MS) * MINUTE_MS;
  return Array.from({ length: 60 }, (_, index) => {
    const at = end - (59 - index) * MINUTE_MS;
    const depths = queues.map((queue) => depthAt(queue, at)).filter((depth) => depth !== null);
    return depths.length === 0 ? null : depths.reduce((total, depth) => total + depth, 0);
  });
}

function depthAt({ depths, depths_at }: Queue, at: number): number | null {
  const last = epoch(depths_at);
  if (last === null) return null;
  return depths[depths.length - 1 + Math.round((at - last) / MINUTE_MS)] ?? null;
}
