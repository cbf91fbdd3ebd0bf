/** What the parts of the list share: the search, its rows, what is chosen. */
import { createContext } from 'svelte';
import type { Query } from '../../lib/api';
import type { Monitor } from '../../lib/monitor';
import { COLUMNS, columnsOf, DEFAULT, DEFAULT_SORT, sortOf, type TaskColumn } from './columns';
import { TaskPages } from './list.svelte';
import { patchOf, questionOf, searchOf } from './search/address';
import type { Search } from './search/fields';
import { format, parse, type SearchProblem } from './search/parse';
import { Selection } from './selection.svelte';
import { Stored } from './stored.svelte';
import { readViews, type View } from './views';

export class TasksPage {
  readonly #monitor: Monitor;
  readonly list = new TaskPages();
  readonly selection = new Selection();
  readonly columns = new Stored<readonly string[]>('taskscope.tasks.columns', readColumns);
  readonly views = new Stored<readonly View[]>('taskscope.tasks.views', readViews);
  readonly search: Search = $derived.by(() => searchOf(this.#monitor.place.current.query));
  readonly sort: string = $derived.by(() => sortOf(this.#monitor.place.get('sort')));
  /** The search as one text: what the field shows. */
  readonly text: string = $derived.by(() => format(this.search));
  /** What of the address cannot be understood: then nothing is asked. */
  readonly problems: SearchProblem[] = $derived.by(() => parse(this.text).problems);
  readonly shown: TaskColumn[] = $derived.by(() => columnsOf(this.columns.value));
  /** Changes when another question is asked, and only then. */
  readonly question: string = $derived.by(() =>
    JSON.stringify([this.text, this.sort, this.#monitor.zone.name]),
  );

  constructor(monitor: Monitor) {
    this.#monitor = monitor;
  }

  /** The question as it is at this moment. */
  ask(search: Search = this.search): Query {
    return { ...questionOf(search, this.#monitor.clock.now, this.#monitor.zone), sort: this.sort };
  }

  /** The address with another search. */
  href(search: Search): string {
    return this.#monitor.place.href(patchOf(search));
  }

  viewHref({ search, sort }: View): string {
    return this.#monitor.place.href({ ...patchOf(search), sort: sort === DEFAULT_SORT ? null : sort });
  }

  go(search: Search, how: 'push' | 'replace'): void {
    this.#monitor.place.go(patchOf(search), how);
  }
}

function readColumns(stored: unknown): readonly string[] {
  if (!Array.isArray(stored)) return DEFAULT;
  return stored.filter((id: unknown): id is string => COLUMNS.some((column) => column.id === id));
}

export const [tasksPage, setTasksPage] = createContext<TasksPage>();
