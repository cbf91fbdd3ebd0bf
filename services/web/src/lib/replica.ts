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

  apply(message: Snapshot | Delta): void {
    if (message.kind === 'snapshot') this.#replace(message);
    else this.#change(message);
    this.summary = message.summary;
    this.total = message.total;
    this.position = message.position;
    this.at = message.at;
    this.stale = message.stale;
  }

  clear(): void {
    for (const held of [this.tasks, this.workers, this.queues]) held.clear();
    this.sources = [];
    this.summary = this.position = this.at = null;
    this.total = 0;
    this.stale = false;
  }

  #replace(message: Snapshot): void {
    replace(this.tasks, message.tasks);
    replace(this.workers, message.workers);
    replace(this.queues, message.queues);
    this.sources = message.sources;
  }

  #change(message: Delta): void {
    change(this.tasks, message);
    if (message.workers !== null) change(this.workers, message.workers);
    if (message.queues !== null) change(this.queues, message.queues);
    if (message.sources !== null) this.sources = message.sources;
  }
}

function replace<T extends Keyed>(held: Map<string, T>, items: T[]): void {
  held.clear();
  for (const item of items) held.set(item.key, item);
}

/** Removals first: what is in both lists left the window and came back. */
function change<T extends Keyed>(held: Map<string, T>, { upsert, remove }: Change<T>): void {
  for (const key of remove) held.delete(key);
  for (const item of upsert) held.set(item.key, item);
}
