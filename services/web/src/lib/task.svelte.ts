/** One task with its details: loaded when chosen, and again when it changes. */
import { ApiError, fetchTask } from './api';
import type { Clock } from './clock.svelte';
import type { Live } from './live.svelte';
import type { Task, TaskDetail } from './protocol';

/** A task outside the table's window is asked for so often, while it is open; one inside at most so often. */
const AGAIN_SECONDS = 2;

export class TaskView {
  readonly #live: Live;
  readonly #clock: Clock;
  #key = $state<string | null>(null);
  #loaded: string | null = null;
  #loadedAt = 0;
  #busy: AbortController | null = null;
  #detail = $state.raw<TaskDetail | null>(null);
  problem = $state<string | null>(null);

  /** The row of the table, if it is newer than the details. */
  readonly #row: Task | null = $derived.by(
    () => this.#live.tasks.find((candidate) => candidate.key === this.#key) ?? null,
  );
  readonly task: Task | null = $derived.by(() => this.#row ?? this.#detail);
  /** The details with what the row knows already. */
  readonly detail: TaskDetail | null = $derived.by(() =>
    this.#detail === null ? null : { ...this.#detail, ...this.#row },
  );

  constructor(live: Live, clock: Clock) {
    this.#live = live;
    this.#clock = clock;
  }

  /** To be called in an effect: it runs again with each second and each change of the row. */
  follow(key: string | null): void {
    if (key !== this.#key) this.#choose(key);
    const version = this.#row?.version ?? null;
    const due = this.#clock.now - this.#loadedAt >= AGAIN_SECONDS * 1000;
    if (key === null || this.#busy !== null || this.#live.link !== 'live') return;
    const first = this.#loadedAt === 0;
    const changed = version === null ? this.#detail?.group !== 'finished' : version !== this.#loaded;
    const ended = this.#row?.group === 'finished' && this.#detail?.group !== 'finished';
    if (first || (changed && (due || ended))) void this.#load(key);
  }

  #choose(key: string | null): void {
    this.#busy?.abort();
    this.#busy = null;
    this.#key = key;
    this.#loaded = null;
    this.#loadedAt = 0;
    this.#detail = null;
    this.problem = null;
  }

  async #load(key: string): Promise<void> {
    const abort = new AbortController();
    this.#busy = abort;
    this.#loadedAt = this.#clock.now;
    try {
      const detail = await fetchTask(key, abort.signal);
      if (abort.signal.aborted) return;
      this.#detail = detail;
      this.#loaded = detail.version;
      this.problem = null;
    } catch (error) {
      if (abort.signal.aborted) return;
      this.problem = words(error);
    }
    this.#busy = null;
  }
}

function words(error: unknown): string {
  if (!(error instanceof ApiError)) return String(error);
  if (error.status === 404)
    return 'This task is not known (any more): it was never seen, or its time in memory is over.';
  return error.message;
}
