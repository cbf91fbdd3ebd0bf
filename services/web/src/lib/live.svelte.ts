/** The live state of the page: a replica fed by the socket, published to components once a frame. */
import { socketEndpoint } from './base';
import type { Clock } from './clock.svelte';
import { Connection, type Link } from './connection';
import { epoch } from './format';
import { ascending, formatSort, parseSort, sorted, type Sort } from './order';
import type { PlaceState } from './place.svelte';
import {
  ROW_FIELDS,
  type Queue,
  type ServerMessage,
  type Source,
  type Subscription,
  type Summary,
  type Task,
  type Worker,
} from './protocol';
import { Replica } from './replica';
import { Series } from './series';
import { statesOf } from './states';

export const LIMITS = [100, 200, 500] as const;
/** Publishing, with all that the browser does to show it, takes at most a twelfth of the page's time, however fast deltas come, */
const SHARE = 12;
/** but what is shown is never older than this. */
const LONGEST_MS = 1_000;
/** A page that nobody sees gets no frames: its title is kept by publishing so often. */
const HIDDEN_MS = 1_000;

export type Health = 'connecting' | 'live' | 'stale' | 'reconnecting' | 'unreachable';

export class Live {
  readonly series = new Series();
  readonly #replica = new Replica();
  readonly #clock: Clock;
  readonly #place: PlaceState;
  readonly #connection: Connection;
  #asked: string | null = null;
  #scheduled = false;
  #notBefore = 0;
  #hiddenUntil = 0;
  #heard: number | null = null;

  tasks = $state.raw<Task[]>([]);
  workers = $state.raw<Worker[]>([]);
  queues = $state.raw<Queue[]>([]);
  sources = $state.raw<Source[]>([]);
  summary = $state.raw<Summary | null>(null);
  total = $state(0);
  stale = $state(false);
  /** Epoch milliseconds of the newest message. */
  at = $state<number | null>(null);
  lag = $state<number | null>(null);
  link = $state<Link>('connecting');
  retryAt = $state<number | null>(null);
  /** What the server did not like about a message of ours. */
  complaint = $state<string | null>(null);
  /** The rows are the answer to the present filter. */
  settled = $state(false);
  limit = $state<number>(LIMITS[0]);

  readonly sort: Sort = $derived.by(() => parseSort(this.#place.get('sort')));
  /** The subscription as text: changes when the question changes, and only then. */
  readonly question: string = $derived.by(() => JSON.stringify(this.#subscription()));
  readonly health: Health = $derived.by(() => {
    if (this.link === 'live') return this.stale ? 'stale' : 'live';
    if (this.link === 'connecting') return 'connecting';
    return this.summary === null ? 'unreachable' : 'reconnecting';
  });

  constructor(place: PlaceState, clock: Clock) {
    this.#place = place;
    this.#clock = clock;
    this.#connection = new Connection({
      open: () => new WebSocket(socketEndpoint('api/ws')),
      subscription: () => this.#subscription(),
      position: () => this.#replica.position,
      onMessage: (message) => {
        this.#receive(message);
      },
      onLink: (link, retryAt) => {
        this.link = link;
        this.retryAt = retryAt;
      },
    });
  }

  start(): () => void {
    const awake = (): void => {
      if (document.visibilityState !== 'visible') return;
      this.#connection.retryNow();
      this.#schedule(); // what came since the last publishing
    };
    this.#connection.start();
    addEventListener('online', awake);
    document.addEventListener('visibilitychange', awake);
    return () => {
      removeEventListener('online', awake);
      document.removeEventListener('visibilitychange', awake);
      this.#connection.stop();
    };
  }

  retryNow(): void {
    this.#connection.retryNow();
  }

  /** Show nothing any more of what was told. */
  forget(): void {
    this.#replica.clear();
    this.#publish(performance.now());
    this.link = 'connecting';
    this.retryAt = null;
  }

  /** Another question (filter, sort, limit): it is asked without the token of the old one. */
  ask(question: string): void {
    if (question === this.#asked) return;
    this.#asked = question;
    this.#replica.position = null;
    this.settled = false;
    this.#connection.rejoin();
  }

  #subscription(): Subscription {
    const place = this.#place;
    const only = (name: string): string[] => {
      const value = place.get(name);
      return value === null ? [] : [value];
    };
    const fields = ROW_FIELDS;
    // Other pages have no live table: counts, workers, queues and sources come with any window.
    if (place.page !== 'realtime')
      return { filter: { source: only('source') }, sort: 'live', limit: 1, fields };
    return {
      filter: {
        kind: only('kind'),
        source: only('source'),
        queue: only('queue'),
        worker: only('worker'),
        state: statesOf(place.list('state')),
      },
      sort: formatSort(this.sort),
      limit: this.limit,
      fields,
    };
  }

  #receive(message: ServerMessage): void {
    // What is wrong with a token is the server's affair: a snapshot follows.
    if (message.event === 'error' && message.data.field !== 'since') this.complaint = message.data.detail;
    if (message.event !== 'task_updates') return;
    const { data } = message;
    // A delta that was on its way when another question was asked belongs to the old answer.
    if (data.kind === 'delta' && this.#replica.position === null) return;
    if (!this.#replica.apply(data)) this.#connection.request();
    const at = epoch(data.at);
    if (at !== null) this.#heard = this.#clock.heard(at);
    // Whoever asked waits for the answer, not for a frame.
    if (this.settled) this.#schedule();
    else this.#publish(performance.now());
  }

  #schedule(): void {
    if (document.visibilityState === 'hidden') {
      const now = performance.now();
      if (now > this.#hiddenUntil) this.#publish(now);
      return;
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    // Frames that show nothing new cost as much as an idle page may: none is asked for before it is time.
    setTimeout(
      () => {
        requestAnimationFrame((time) => {
          this.#scheduled = false;
          this.#publish(time);
        });
      },
      Math.max(0, this.#notBefore - performance.now()),
    );
  }

  #publish(time: number): void {
    const replica = this.#replica;
    this.tasks = sorted(replica.tasks.values(), this.sort);
    this.workers = byName(replica.workers.values());
    this.queues = byName(replica.queues.values());
    this.sources = replica.sources;
    this.summary = replica.summary;
    this.total = replica.total;
    this.stale = replica.stale;
    this.at = epoch(replica.at);
    this.lag = this.#heard;
    this.settled = replica.position !== null;
    this.#record(Date.now());
    this.#hiddenUntil = performance.now() + HIDDEN_MS;
    const begun = performance.now();
    // Timers come after the frame was laid out and painted.
    setTimeout(() => {
      this.#notBefore = time + Math.min(LONGEST_MS, SHARE * (performance.now() - begun));
    });
  }

  #record(now: number): void {
    for (const queue of this.queues) if (queue.depth !== null) this.series.add(queue.key, queue.depth, now);
    if (this.summary === null) return;
    for (const name of ['active', 'reserved', 'queued'] as const)
      this.series.add(`summary:${name}`, this.summary[name], now);
  }
}

function byName<T extends { name: string; key: string }>(items: Iterable<T>): T[] {
  return [...items].sort((a, b) => ascending(a.name, b.name) || ascending(a.key, b.key));
}
