/** The rows of a question: pages of them, asked for as they come into view, a bounded number kept. */
import { ApiError, get, type Query } from '../../lib/api';
import { ROW_FIELDS, type Task, type TaskListOf } from '../../lib/protocol';
import { PATIENCE_MS } from '../../lib/resource.svelte';
import { KeptPages, PAGE } from './kept';
import type { Stretch } from './viewport';

/** Requests at a time: who drags the scroll bar passes hundreds of pages. */
const AT_ONCE = 2;
/** Rows beyond what is in view that are asked for. */
const AHEAD = 25;
/** Who jumps from place to place reads nothing on the way: only where they stay so long is asked for. */
const STAY_MS = 50;
/** The api takes no more values of one parameter. */
export const MOST_KEYS = 100;

type Answer = TaskListOf<(typeof ROW_FIELDS)[number]>;

export class TaskPages {
  /** Null: no answer yet. */
  total = $state<number | null>(null);
  problem = $state.raw<ApiError | null>(null);
  /** The rows shown are of another question than the present one. */
  asking = $state(false);
  /** Rows at the beginning that came since these were asked for. */
  fresh = $state(0);
  /** Something of the first rows is another than what is shown. */
  changed = $state(false);
  #version = $state(0);
  readonly #pages = new KeptPages<Task>();
  #question: Query = {};
  #wanted: Stretch = { first: 0, last: 1 };
  #flights = new Map<number, AbortController>(); // eslint-disable-line svelte/prefer-svelte-reactivity -- not shown
  #peek: AbortController | null = null;
  #staying: ReturnType<typeof setTimeout> | null = null;

  /** The task in that row; null: it is on its way. */
  row(index: number): Task | null {
    return this.#version < 0 ? null : this.#pages.at(index);
  }

  /** Another question: the rows of the old one stay until there is an answer. */
  ask(question: Query): void {
    this.#question = question;
    this.asking = true;
    this.#wanted = { first: 0, last: 1 };
    this.#again();
  }

  /** The same question at another time. */
  refresh(question: Query): void {
    this.#question = question;
    this.#again();
  }

  #again(): void {
    this.stop();
    void this.#load(Math.floor(this.#wanted.first / PAGE), true);
  }

  stop(): void {
    this.#unsettle();
    for (const flight of this.#flights.values()) flight.abort();
    this.#flights.clear();
    this.#peek?.abort();
  }

  /** These rows are in view. */
  see(wanted: Stretch): void {
    const far = Math.abs(wanted.first - this.#wanted.first) > PAGE;
    this.#wanted = wanted;
    if (far) this.#settle();
    else if (this.#staying === null) this.#fill();
  }

  #settle(): void {
    this.#unsettle();
    this.#staying = setTimeout(() => {
      this.#staying = null;
      this.#fill();
    }, STAY_MS);
  }

  #unsettle(): void {
    if (this.#staying !== null) clearTimeout(this.#staying);
    this.#staying = null;
  }

  /** What is in view, and what is next to it before it is. */
  #fill(): void {
    if (this.total === null || this.asking || this.#staying !== null) return;
    const { first, last } = this.#wanted;
    const end = Math.min(last + AHEAD, this.total);
    for (let page = Math.floor(Math.max(0, first - AHEAD) / PAGE); page * PAGE < end; page += 1) {
      if (this.#flights.size >= AT_ONCE) return;
      if (!this.#pages.has(page) && !this.#flights.has(page)) void this.#load(page, false);
    }
  }

  /** `anew`: the answer replaces all that is there. */
  async #load(page: number, anew: boolean): Promise<void> {
    const abort = new AbortController();
    this.#flights.set(page, abort);
    const query = { ...this.#question, limit: PAGE, offset: page * PAGE, fields: ROW_FIELDS };
    const answer = await patient<Answer>(query, abort);
    if (abort.signal.aborted && abort.signal.reason !== 'late') return;
    this.#flights.delete(page);
    if (answer instanceof ApiError) this.#fail(answer);
    else this.#take(page, answer, anew);
  }

  #fail(problem: ApiError): void {
    this.problem = problem;
    this.asking = false;
  }

  #take(page: number, answer: Answer, anew: boolean): void {
    this.#pages.put(page, answer.items, anew);
    this.total = answer.total;
    this.problem = null;
    if (anew) this.asking = this.changed = false;
    if (anew) this.fresh = 0;
    this.#pages.forget(this.#wanted.first);
    this.#version += 1;
    this.#fill();
  }

  /** The rows keep their places: what they say is renewed, and how much is new at the beginning is counted. */
  async look(question: Query, keys: readonly string[]): Promise<void> {
    this.#peek?.abort();
    const abort = (this.#peek = new AbortController());
    const first = { ...question, limit: PAGE, fields: ['key', 'version'] };
    const rows = { key: keys.slice(0, MOST_KEYS), limit: PAGE, fields: ROW_FIELDS };
    const [head, now] = await Promise.all([
      patient<Answer>(first, abort),
      keys.length > 0 ? patient<Answer>(rows, abort) : null,
    ]);
    if (abort.signal.aborted) return;
    if (!(head instanceof ApiError)) this.#compare(head);
    if (now !== null && !(now instanceof ApiError)) this.#renew(now.items);
  }

  #compare(head: Answer): void {
    const { fresh, changed } = this.#pages.compare(head.items);
    this.fresh = fresh;
    this.changed = changed;
  }

  #renew(tasks: readonly Task[]): void {
    this.#pages.renew(tasks);
    this.#version += 1;
  }
}

async function patient<T>(query: Query, abort: AbortController): Promise<T | ApiError> {
  const patience = setTimeout(() => {
    abort.abort('late');
  }, PATIENCE_MS);
  try {
    return await get<T>('api/tasks', query, abort.signal);
  } catch (error) {
    return ApiError.of(abort.signal.aborted ? null : error);
  } finally {
    clearTimeout(patience);
  }
}
