/** One open task with its details: asked for again while it, or something around it, goes on. */
import { ABSENT_SECONDS, pace } from './pace';
import { fetchTask } from './api';
import type { Clock } from './clock.svelte';
import type { Live } from './live.svelte';
import type { Task, TaskDetail } from './protocol';
import { Resource } from './resource.svelte';

export class TaskView {
  /** `source/id`. */
  readonly key: string;
  readonly resource: Resource<TaskDetail>;
  readonly #live: Live;
  readonly #clock: Clock;

  /** The row of the live table, where the task is in it. */
  readonly #row: Task | null = $derived.by(
    () => this.#live.tasks.find((candidate) => candidate.key === this.key) ?? null,
  );
  /** The details with what the row knows already. */
  readonly detail: TaskDetail | null = $derived.by(() => newest(this.resource.data, this.#row));
  /** What is known before the details come, too. */
  readonly task: Task | null = $derived.by(() => this.detail ?? this.#row);
  /** It was there, and is kept no longer: what is shown is the last that was known. */
  readonly forgotten: boolean = $derived.by(
    () => this.resource.data !== null && this.resource.problem?.status === 404,
  );
  /** Seconds until it is asked for again; null: not any more. */
  readonly every: number | null = $derived.by(() => {
    const { data, problem } = this.resource;
    if (data !== null) return this.forgotten ? null : pace(data, this.#clock.now);
    return problem === null || problem.status === 404 || problem.status === 0 ? ABSENT_SECONDS : null;
  });
  /** The live table knows of an end that the details do not have. */
  readonly ended: boolean = $derived.by(
    () =>
      this.#row?.group === 'finished' &&
      this.resource.data !== null &&
      this.resource.data.group !== 'finished',
  );

  constructor(key: string, live: Live, clock: Clock) {
    this.key = key;
    this.#live = live;
    this.#clock = clock;
    this.resource = new Resource((signal) => fetchTask(key, signal));
  }
}

/** A row that is older than the details adds nothing. Versions are `epoch-seq`. */
function newest(detail: TaskDetail | null, row: Task | null): TaskDetail | null {
  if (detail === null || row === null || older(row.version, detail.version)) return detail;
  return { ...detail, ...row };
}

function older(version: string, than: string): boolean {
  const [[epoch = 0, number = 0], [other = 0, count = 0]] = [parts(version), parts(than)];
  return epoch === other ? number <= count : epoch < other;
}

function parts(version: string): number[] {
  return version.split('-').map(Number);
}
