/** What the overview shows, asked for again and again while it is open. */
import { untrack } from 'svelte';
import type { Clock } from '../../lib/clock.svelte';
import type { Live } from '../../lib/live.svelte';
import type { PlaceState } from '../../lib/place.svelte';
import { Resource } from '../../lib/resource.svelte';
import { askFailures, askFigures, askLost, type Failures, type Figures } from './asked';
import { concernsOf, type Concern } from './attention';
import { windowOf, type Window } from './window';

const EVERY_SECONDS = 10;

export class Overview {
  readonly #live: Live;
  readonly #clock: Clock;
  readonly #place: PlaceState;
  readonly window: Window = $derived.by(() => windowOf(this.#place.get('window')));
  readonly figures = $derived.by(() => this.#ask(askFiguresAt(this.#clock)));
  readonly failures = $derived.by(() => this.#ask(askFailures));
  /** The answers to the question before stay until there is a new one. */
  #figures = $state.raw<Figures | null>(null);
  #failures = $state.raw<Failures | null>(null);
  readonly #gone: string = $derived.by(() => {
    const gone = this.#live.workers.filter(({ state }) => state === 'lost' || state === 'silent');
    return JSON.stringify(gone.slice(0, 50).map(({ name }) => name));
  });
  lost = $state.raw<ReadonlyMap<string, number> | null>(null);

  readonly shown: Figures | null = $derived.by(() => this.figures.data ?? this.#figures);
  readonly failing: Failures | null = $derived.by(() => this.failures.data ?? this.#failures);
  /** What is shown answers another question than the one that was asked last. */
  readonly old: boolean = $derived.by(() => this.figures.data === null && this.#figures !== null);
  readonly concerns: Concern[] = $derived.by(() =>
    concernsOf({
      ...{ now: this.#clock.now, sources: this.#live.sources, workers: this.#live.workers },
      ...{ queues: this.#live.queues, lost: this.lost },
      ...{ figures: this.figures.data, failures: this.failures.data },
    }),
  );

  constructor(live: Live, clock: Clock, place: PlaceState) {
    this.#live = live;
    this.#clock = clock;
    this.#place = place;
  }

  /** To be called while a component is made: its effects end with it. */
  follow(): void {
    $effect(() => this.figures.follow({ every: EVERY_SECONDS }));
    $effect(() => this.failures.follow({ every: EVERY_SECONDS }));
    $effect(() => {
      if (this.figures.data !== null) this.#figures = this.figures.data;
    });
    $effect(() => {
      if (this.failures.data !== null) this.#failures = this.failures.data;
    });
    $effect(() => this.#followLost());
  }

  /** Asked only while workers are gone. */
  #followLost(): (() => void) | undefined {
    const gone = JSON.parse(this.#gone) as string[];
    const [window, source] = [this.window, this.#place.source];
    if (gone.length === 0) {
      this.lost = null;
      return undefined;
    }
    const resource = new Resource(
      async (signal) => (this.lost = await askLost(window, source, gone, signal)),
    );
    return resource.follow({ every: EVERY_SECONDS });
  }

  #ask<T>(ask: (window: Window, source: string | null, signal: AbortSignal) => Promise<T>): Resource<T> {
    const [window, source] = [this.window, this.#place.source];
    return new Resource((signal) => ask(window, source, signal));
  }
}

const askFiguresAt =
  (clock: Clock) =>
  (window: Window, source: string | null, signal: AbortSignal): Promise<Figures> =>
    askFigures(
      window,
      source,
      untrack(() => clock.now),
      signal,
    );
