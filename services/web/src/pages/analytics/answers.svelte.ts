/** What the api answered to what the address asks; the answer before stays until the next one is there. */
import { untrack } from 'svelte';
import { get, type ApiError, type Query } from '../../lib/api';
import { Resource } from '../../lib/resource.svelte';

export interface Question {
  /** Another one is another question. */
  key: string;
  /** Only an answer of the same scope may stand in for the one that is not there yet; null: any. */
  scope: string | null;
  /** Made when it is asked: it may say what is now. */
  query: () => Query;
  /** Seconds until it is asked again. */
  every: number | null;
}

/** Where the api does not say when to ask again. */
const RETRY_SECONDS = 5;

export class Answer<T> {
  readonly #path: string;
  readonly #question: () => Question | null;
  #last = $state.raw<{ scope: string | null; data: T } | null>(null);
  readonly #key: string | null = $derived.by(() => this.#question()?.key ?? null);
  readonly resource: Resource<T> | null = $derived.by(() =>
    this.#key === null ? null : untrack(() => this.#made()),
  );

  /** To be made while a component begins. */
  constructor(path: string, question: () => Question | null) {
    this.#path = path;
    this.#question = question;
    $effect(() => this.resource?.follow({ every: untrack(() => this.#question()?.every ?? null) }));
    $effect(() => {
      const data = this.resource?.data ?? null;
      if (data !== null) this.#last = { scope: untrack(() => this.#question()?.scope ?? null), data };
    });
    $effect(() => this.#again());
  }

  /** The answer, or the one before while there is none. */
  get shown(): T | null {
    const { resource } = this;
    if (resource !== null && (resource.data !== null || resource.problem !== null)) return resource.data;
    const scope = this.#question()?.scope ?? null;
    return resource === null || scope === null || scope === this.#last?.scope
      ? (this.#last?.data ?? null)
      : null;
  }

  /** What is shown answers the question before. */
  get old(): boolean {
    return this.resource?.data == null && this.shown !== null;
  }

  get problem(): ApiError | null {
    return this.resource?.problem ?? null;
  }

  #made(): Resource<T> {
    return new Resource((signal) =>
      untrack(() => get<T>(this.#path, this.#question()?.query() ?? {}, signal)),
    );
  }

  /** What may be there in a moment is asked for again, also where nothing else would. */
  #again(): (() => void) | undefined {
    const { resource, problem } = this;
    if (resource === null || (problem?.status !== 503 && problem?.status !== 0)) return undefined;
    const timer = setTimeout(() => void resource.load(), (problem.retrySeconds ?? RETRY_SECONDS) * 1000);
    return () => {
      clearTimeout(timer);
    };
  }
}
