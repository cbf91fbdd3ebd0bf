/** An answer of the api that is asked for again and again while somebody looks. */
import { ApiError } from './api';
import { ADMITTED, on } from './session-events';

export interface Options {
  /** Seconds until it is asked for again; null: only when the question changes. */
  every: number | null;
}

/** After so long without an answer the page says so instead of waiting on. */
export const PATIENCE_MS = 12_000;

export class Resource<T> {
  /** The last answer to the present question; while the next one is on its way, and if that fails, it stays. */
  data = $state.raw<T | null>(null);
  problem = $state.raw<ApiError | null>(null);
  busy = $state(false);
  /** Epoch milliseconds (this machine's) of the last answer. */
  at = $state<number | null>(null);
  readonly #fetch: (signal: AbortSignal) => Promise<T>;
  #abort: AbortController | null = null;

  constructor(fetch: (signal: AbortSignal) => Promise<T>) {
    this.#fetch = fetch;
  }

  /** The answer is not there, and there is no problem. */
  get loading(): boolean {
    return this.data === null && this.problem === null;
  }

  /** Ask now and each `every` seconds while the page is visible; to be returned from an effect. */
  follow({ every }: Options): () => void {
    void this.load();
    const due = (): void => {
      if (document.visibilityState === 'visible' && !this.busy) void this.load();
    };
    const timer = every === null ? null : setInterval(due, every * 1000);
    document.addEventListener('visibilitychange', due);
    const deaf = on(ADMITTED, due);
    return () => {
      deaf();
      if (timer !== null) clearInterval(timer);
      document.removeEventListener('visibilitychange', due);
      this.#abort?.abort();
    };
  }

  /** Wait no more for what is on its way. */
  stop(): void {
    this.#abort?.abort();
  }

  async load(): Promise<void> {
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    const patience = setTimeout(() => {
      abort.abort('late');
    }, PATIENCE_MS);
    this.busy = true;
    try {
      const data = await this.#fetch(abort.signal);
      if (abort.signal.aborted) return;
      this.data = data;
      this.at = Date.now();
      this.problem = null;
    } catch (error) {
      if (abort.signal.aborted && abort.signal.reason !== 'late') return;
      this.problem = ApiError.of(abort.signal.aborted ? null : error);
    } finally {
      clearTimeout(patience);
      if (this.#abort === abort) this.busy = false;
    }
  }
}
