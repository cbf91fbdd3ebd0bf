/** What somebody asks of the analytics, in the address and of the api. */
import type { Query } from '../../lib/api';
import { epoch } from '../../lib/format';
import type { Patch } from '../../lib/location';
import type { Analytics, Grouping } from '../../lib/protocol';
import { isWatched } from '../../lib/watched';
import {
  chosenStretch,
  DEFAULT_WINDOW,
  isComparable,
  stretchBefore,
  stretchOf,
  type Midnight,
  type Stretch,
} from './stretch';

export const GROUPINGS: readonly Grouping[] = ['name', 'kind', 'queue', 'worker', 'source'];
/** What can be filtered, beside the source, which goes with everything. */
export const FIELDS = ['kind', 'name', 'queue', 'worker'] as const;
export type Field = (typeof FIELDS)[number];
export const TABS = ['groups', 'failures', 'slowest', 'spread'] as const;
export type Tab = (typeof TABS)[number];
export const MEASURES = ['finished', 'failed', 'success', 'wait', 'runtime'] as const;
export type Measure = (typeof MEASURES)[number];

/** How many groups have a line of their own: as many as there are colours. */
export const LINES = 8;
export const GROUPS = 200;
const FAILURES = 100;

/** What ended is summed up by name (with its kind), by queue and by worker, each by itself. */
const MARGINALS: Readonly<Record<Field, string>> = {
  kind: 'name',
  name: 'name',
  queue: 'queue',
  worker: 'worker',
};

export interface Asked {
  window: string;
  until: string | null;
  by: Grouping;
  filters: Readonly<Partial<Record<Field, readonly string[]>>>;
  sources: readonly string[];
  compare: boolean;
}

/** What the rollups cannot answer: two filters that are summed up apart, or a filter and a grouping. */
export type Conflict = { fields: readonly [Field, Field] } | { field: Field; by: Grouping };

export function askedOf(query: Readonly<Record<string, string>>): Asked {
  const values = FIELDS.map((field) => [field, list(query[field])] as const);
  const filters = Object.fromEntries(values.filter(([, each]) => each.length > 0)) as Asked['filters'];
  const first = FIELDS.find((field) => filters[field] !== undefined);
  return {
    window: query.window ?? DEFAULT_WINDOW,
    until: query.until ?? null,
    by: one(GROUPINGS, query.by) ?? (first === 'kind' ? 'name' : first) ?? 'name',
    filters,
    sources: list(query.source),
    compare: query.compare !== 'off',
  };
}

export function conflictOf({ filters, by }: Asked): Conflict | null {
  const [first, ...others] = FIELDS.filter((field) => filters[field] !== undefined);
  if (first === undefined) return null;
  const apart = others.find((field) => MARGINALS[field] !== MARGINALS[first]);
  if (apart !== undefined) return { fields: [first, apart] };
  return groupsBy(first).includes(by) ? null : { field: first, by };
}

/** What a filter can be grouped by. */
export function groupsBy(field: Field): readonly Grouping[] {
  return GROUPINGS.filter((by) => by === 'source' || MARGINALS[by] === MARGINALS[field]);
}

export function isLive({ window, until }: Asked): boolean {
  return window === 'today' || (window !== 'yesterday' && until === null);
}

export function isFiltered({ filters }: Asked): boolean {
  return Object.keys(filters).length > 0;
}

/** The parameters that the analytics and its exports share. `now`: epoch milliseconds, the server's. */
export function analyticsQuery(asked: Asked, now: number, midnight: Midnight): Query {
  const stretch = stretchOf(asked.window, asked.until, now, midnight);
  return {
    ...scope(asked, stretch),
    group_by: asked.by,
    series: LINES,
    groups: GROUPS,
    compare: asked.compare && isComparable(stretch, now) ? 'true' : null,
  };
}

/** The window before the one that was answered, with its groups and its series; null: it was not compared. */
/** Without the window before, where too little of it was watched to be compared with. */
export const comparing = (data: Analytics): Analytics =>
  data.before === null || isWatched(data.before) ? data : { ...data, before: null, change: null };

export function beforeQuery(asked: Asked, { at, before, series }: Analytics): Query | null {
  if (before === null || series === null) return null;
  const [start, end] = [seconds(before.start), seconds(before.end)];
  const { bucket, ...stretch } = stretchBefore(end, end - start, series.bucket_seconds, seconds(at));
  return { ...scope(asked, stretch), group_by: asked.by, bucket, series: 1, groups: 500 };
}

export function failuresQuery(asked: Asked, now: number, midnight: Midnight): Query {
  return { ...scope(asked, stretchOf(asked.window, asked.until, now, midnight)), groups: FAILURES };
}

/** The address of a stretch that was chosen in a chart; epoch seconds. */
export function chosenPatch(from: number, to: number, now: number): Patch {
  return { ...chosenStretch(from, to, now) };
}

/** The filter that a group stands for, and by what it is divided then; null: it stands for nothing that can be asked. */
export function narrowed(by: Grouping, group: string | null, kind: string | null): Patch | null {
  if (group === null || (by === 'name' && group === 'other' && kind === null)) return null;
  if (by === 'kind') return { kind: group, by: 'name' };
  return by === 'source' ? { source: group, by: 'name' } : { [by]: group };
}

/** The tasks that are behind a group, on the page of tasks; null: cannot be asked. */
export function tasksOf(by: Grouping, group: string | null, asked: Asked): Patch | null {
  if (group === null || group === 'other') return null;
  return { ...asked.filters, [by]: group };
}

export function seconds(text: string): number {
  return (epoch(text) ?? 0) / 1000;
}

function scope({ filters, sources }: Asked, { window, until }: Stretch): Query {
  return { window, until, ...filters, source: sources };
}

function list(text: string | undefined): string[] {
  return text?.split(',').filter(Boolean) ?? [];
}

export function one<T extends string>(known: readonly T[], text: string | null | undefined): T | undefined {
  return known.find((each) => each === text);
}
