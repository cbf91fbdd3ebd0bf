/** How long a running task still takes, by the pace of its own progress: an estimate, and nothing where it would be a guess. */
import { epoch } from './format';
import type { Progress, Task } from './protocol';

/** What an estimate is made of. */
export type Running = Pick<Task, 'state' | 'started_at' | 'progress'>;

/** Before so much has been done, or so much time has passed, a pace says nothing. */
const LEAST_PART = 0.01;
const LEAST_SECONDS = 1;
/** A task that says nothing for so long, and for half of its time, does not go on at its pace. */
const SILENCE_SECONDS = 15;

/** Seconds until it is done, 0 or more; null where nothing sensible can be said. `now`: epoch ms on the server's clock. */
export function secondsLeft({ state, started_at, progress }: Running, now: number): number | null {
  const [started, told, part] = [epoch(started_at), epoch(progress?.at), partDone(progress)];
  if (state !== 'running' || started === null || told === null || part === null) return null;
  const [worked, silent] = [(told - started) / 1000, (now - told) / 1000];
  if (part < LEAST_PART || part >= 1 || worked < LEAST_SECONDS) return null;
  if (silent > Math.max(SILENCE_SECONDS, worked / 2)) return null;
  return Math.max(0, (worked / part) * (1 - part) - Math.max(0, silent));
}

/** What is done, 0 to 1; null where the task does not say, or says what makes no sense. */
export function partDone(progress: Progress | null): number | null {
  const { current = null, total = null, percent = null } = progress ?? {};
  // Its own numbers are finer than a percentage.
  const part =
    current !== null && total !== null && total > 0
      ? current / total
      : percent === null
        ? null
        : percent / 100;
  return part !== null && part >= 0 && part <= 1 ? part : null;
}

interface Seen {
  started: string | null;
  part: number;
  back: boolean;
}

/** Estimates for tasks that are watched: those whose progress went back have none until they begin anew. */
export class Estimates {
  readonly #seen = new Map<string, Seen>();
  readonly #most: number;

  /** `most`: tasks that are remembered. */
  constructor(most = 1000) {
    this.#most = most;
  }

  secondsLeft(task: Running & Pick<Task, 'key'>, now: number): number | null {
    return this.#wentBack(task) ? null : secondsLeft(task, now);
  }

  #wentBack({ key, started_at, progress }: Running & Pick<Task, 'key'>): boolean {
    const part = partDone(progress);
    if (part === null) return false;
    const before = this.#seen.get(key);
    const same = before?.started === started_at ? before : undefined;
    const back = same !== undefined && (same.back || part < same.part);
    this.#seen.delete(key); // the newest stand last
    this.#seen.set(key, { started: started_at, part, back });
    for (const old of this.#seen.keys()) if (this.#seen.size > this.#most) this.#seen.delete(old);
    return back;
  }
}
