/** What the server said last: snapshots replace it, deltas change it. Plain maps: nothing here is reactive. */
import type { Change, Delta, Queue, Snapshot, Source, Summary, Task, Worker } from './protocol';

interface Keyed {
  key: string;
}

export class Replica {
  readonly tasks = new Map<string, Task>();
  readonly workers = new Map<string, Worker>();
  readonly queues = new Map<string, Queue>();
  sources: Source[] = [];
  summary: Summary | null = null;
  total = 0;
  position: string | null = null;
  at: string | null = null;
  stale = false;

  /** False when the message names what it does not bring and is not held: then only a snapshot helps. */
  apply(message: Snapshot | Delta): boolean {
    const whole = message.kind === 'snapshot' ? this.#replace(message) : this.#change(message);
    this.summary = message.summary;
    this.total = message.total;
    this.position = message.position;
    this.at = message.at;
    this.stale = message.stale;
    return whole;
  }

  #replace(message: Snapshot): boolean {
    replace(this.tasks, message.tasks);
    replace(this.workers, message.workers);
    replace(this.queues, message.queues);
    this.sources = message.sources;
    return true;
  }

  #change(message: Delta): boolean {
    const whole = change(this.tasks, message);
    if (message.workers !== null) change(this.workers, message.workers);
    if (message.queues !== null) change(this.queues, message.queues);
    if (message.sources !== null) this.sources = message.sources;
    return whole;
  }
}

function replace<T extends Keyed>(held: Map<string, T>, items: T[]): void {
  held.clear();
  for (const item of items) held.set(item.key, item);
}

/** Removals first: what is in both lists left the window and came back. Whether all of `keys` is held then. */
function change<T extends Keyed>(held: Map<string, T>, { upsert, remove, keys }: Change<T>): boolean {
  for (const key of remove) held.delete(key);
  for (const item of upsert) held.set(item.key, item);
  if (keys === null) return true;
  const there = new Set(keys);
  for (const key of held.keys()) if (!there.has(key)) held.delete(key);
  return held.size === there.size;
}
