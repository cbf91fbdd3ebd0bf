/** The tasks that ended last: the table shows what runs first, and may have no room for them. */
import { get } from '../../lib/api';
import { Resource } from '../../lib/resource.svelte';
import type { TaskListOf } from '../../lib/protocol';

const FIELDS = [
  'key',
  'id',
  'source',
  'name',
  'state',
  'finished_at',
  'runtime_seconds',
  'exception_type',
  'exception',
] as const;
export type EndedList = TaskListOf<(typeof FIELDS)[number]>;
export type Ended = EndedList['items'][number];
export const SHOWN = 5;
const EVERY_MS = 2_000;

/** What is narrowed down: the page's kind and source. */
export interface Narrowed {
  kind: string | null;
  source: string | null;
}

export class Newest {
  readonly resource: Resource<EndedList>;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #asked = 0;

  constructor(states: readonly string[], narrowed: () => Narrowed) {
    const query = (): Record<string, string | number | readonly string[] | null> => ({
      ...(states.length > 0 ? { state: states } : { group: 'finished' }),
      ...narrowed(),
      ...{ sort: '-finished_at', limit: SHOWN, fields: FIELDS },
    });
    this.resource = new Resource((signal) => get('api/tasks', query(), signal));
  }

  /** Something ended: ask, but not more often than each 2 s. */
  changed(): void {
    this.#timer ??= setTimeout(
      () => {
        this.#timer = null;
        this.#asked = Date.now();
        void this.resource.load();
      },
      Math.max(0, this.#asked + EVERY_MS - Date.now()),
    );
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
