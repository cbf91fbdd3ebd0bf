/** Tasks that did not succeed while nobody looked at the page. */
import { get } from './api';
import type { Clock } from './clock.svelte';
import type { PlaceState } from './place.svelte';
import type { TaskList } from './protocol';

const EVERY_MS = 20_000;
const STATES = ['failed', 'rejected', 'lost'] as const;

export class Missed {
  failed = $state(0);
  readonly #clock: Clock;
  readonly #place: PlaceState;
  #since = 0;
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(clock: Clock, place: PlaceState) {
    this.#clock = clock;
    this.#place = place;
  }

  start(): () => void {
    const turn = (): void => {
      this.#rest();
      if (document.visibilityState === 'hidden') this.#watch();
      else this.failed = 0;
    };
    turn();
    document.addEventListener('visibilitychange', turn);
    return () => {
      document.removeEventListener('visibilitychange', turn);
      this.#rest();
    };
  }

  #watch(): void {
    this.#clock.tick();
    this.#since = this.#clock.now;
    this.#timer = setInterval(() => void this.#count(), EVERY_MS);
  }

  #rest(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Counted by the api: what is pushed are totals of what is kept, which fall when it forgets. */
  async #count(): Promise<void> {
    const query = {
      state: STATES,
      source: this.#place.source,
      finished_from: this.#since / 1000,
      limit: 1,
    };
    try {
      const { total } = await get<TaskList>('api/tasks', query, AbortSignal.timeout(EVERY_MS));
      if (this.#timer !== null) this.failed = total;
    } catch {
      // It is asked again; the connection says when there is none.
    }
  }
}
