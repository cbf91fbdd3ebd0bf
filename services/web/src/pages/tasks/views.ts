/** Searches with a name: those that everybody needs, and the reader's own. */
import { tasks as words } from '$strings/tasks';
import type { Summary } from '../../lib/protocol';
import { DEFAULT_SORT } from './columns';
import { format } from './search/parse';
import type { Search } from './search/fields';

export interface View {
  name: string;
  search: Search;
  sort: string;
}

export interface ReadyView extends View {
  title?: string;
  /** Which number of the summary says how many there are. */
  count?: keyof Summary;
}

const ready = (name: string, search: Search, count?: keyof Summary): ReadyView => ({
  name,
  search,
  sort: DEFAULT_SORT,
  ...(count === undefined ? {} : { count }),
});

export const READY: readonly ReadyView[] = [
  ready(words.views.all, {}, 'total'),
  ready(words.views.failed, { state: 'failed' }, 'failed'),
  ready(words.views.retrying, { state: 'retrying' }, 'retrying'),
  { ...ready(words.views.scheduled, { state: 'scheduled' }, 'scheduled'), sort: 'eta_at' },
  {
    ...ready(words.views.long, { state: 'running' }, 'active'),
    sort: 'started_at',
    title: words.views.longTitle,
  },
  ready(words.views.lost, { state: 'lost' }, 'lost'),
];

/** Whether they show the same. */
export function isSame(a: View, b: View): boolean {
  return a.sort === b.sort && format(a.search) === format(b.search);
}

/** What was stored, as far as it is views. */
export function readViews(stored: unknown): View[] {
  return Array.isArray(stored) ? stored.flatMap(readView) : [];
}

function readView(one: unknown): View[] {
  if (typeof one !== 'object' || one === null) return [];
  const { name, search, sort } = one as Record<string, unknown>;
  if (typeof name !== 'string' || name === '' || typeof search !== 'object' || search === null) return [];
  const parts = Object.entries(search).filter(
    (part): part is [string, string] => typeof part[1] === 'string',
  );
  return [{ name, search: Object.fromEntries(parts), sort: typeof sort === 'string' ? sort : DEFAULT_SORT }];
}

/** With one more, or another in its place. */
export function saved(views: readonly View[], view: View): View[] {
  const at = views.findIndex(({ name }) => name === view.name);
  return at < 0 ? [...views, view] : views.with(at, view);
}

export function renamed(views: readonly View[], from: string, to: string): View[] {
  const free = to.trim() !== '' && !views.some(({ name }) => name === to.trim());
  return views.map((view) => (view.name === from && free ? { ...view, name: to.trim() } : view));
}
