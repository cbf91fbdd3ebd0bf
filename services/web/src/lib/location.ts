/** The page's state as an address: `#realtime?kind=vod&state=failed`, `#tasks/archive/0b1-2?tab=raw`. */

export const PAGES = ['overview', 'realtime', 'tasks', 'workers', 'queues', 'analytics', 'sources'] as const;
export type Page = (typeof PAGES)[number];

export interface Place {
  page: Page;
  /** What of the page is shown alone: `source/id` of a task, `source/name` of a worker or queue. */
  item: string | null;
  /** Never with empty values. */
  query: Readonly<Record<string, string>>;
}

/** A value of null takes the name out; a list stands between commas. */
export type Patch = Readonly<Record<string, string | number | readonly string[] | null>>;

export const HOME: Place = { page: 'overview', item: null, query: {} };

export function parsePlace(hash: string): Place {
  const [path = '', ...rest] = hash.replace(/^#\/?/, '').split('?');
  const slash = path.indexOf('/');
  const page = PAGES.find((known) => known === (slash < 0 ? path : path.slice(0, slash)));
  if (page === undefined) return HOME;
  const entries = [...new URLSearchParams(rest.join('?'))].filter(([, value]) => value !== '');
  return { page, item: itemOf(slash < 0 ? '' : path.slice(slash + 1)), query: Object.fromEntries(entries) };
}

export function formatPlace({ page, item, query }: Place): string {
  const path = item === null ? page : `${page}/${readable(item)}`;
  const parts = Object.entries(query).map(([name, value]) => `${name}=${readable(value)}`);
  return parts.length > 0 ? `#${path}?${parts.join('&')}` : `#${path}`;
}

/** A query with `patch` applied. */
export function patched(query: Place['query'], patch: Patch): Record<string, string> {
  const texts = Object.entries({ ...query, ...patch }).map(([name, value]) => [name, text(value)] as const);
  return Object.fromEntries(texts.filter(([, value]) => value !== ''));
}

/** The parts of a `source/name` key: a source's name has no slash in it. */
export function splitKey(key: string): [source: string, name: string] {
  const slash = key.indexOf('/');
  return [key.slice(0, slash), key.slice(slash + 1)];
}

function text(value: Patch[string]): string {
  if (value === null) return '';
  return typeof value === 'object' ? value.join(',') : String(value);
}

/** A broken escape is somebody's typing error: it stands for itself. */
function itemOf(path: string): string | null {
  if (path === '') return null;
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** Encoded as far as it must be: an address that people pass on should be readable. */
function readable(value: string): string {
  return encodeURIComponent(value)
    .replaceAll('%2F', '/')
    .replaceAll('%2C', ',')
    .replaceAll('%3A', ':')
    .replaceAll('%40', '@')
    .replaceAll('%2A', '*');
}
