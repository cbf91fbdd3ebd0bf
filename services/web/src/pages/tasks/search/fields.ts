/** What a search may say, under the names that the search field and the address use. */
import { ALL_STATES } from '../../../lib/states';

/** Several values stand between commas; `*` stands for any text in those that are `WILD`. */
export const LISTS = [
  ...['state', 'group', 'kind', 'name', 'queue', 'worker', 'source', 'engine', 'exception'],
  ...['id', 'root', 'parent', 'group_id'],
] as const;
export const SPANS = ['runtime', 'wait'] as const;
export const ENDS = ['after', 'before'] as const;
/** Which time `after` and `before` bound. */
export const TIMES = ['updated', 'sent', 'started', 'finished'] as const;
export type TimeName = (typeof TIMES)[number];

export const FIELDS = [...LISTS, ...SPANS, 'time', ...ENDS] as const;
export type Field = (typeof FIELDS)[number];
export type ListField = (typeof LISTS)[number];
export type SpanField = (typeof SPANS)[number];

/** A search as the address has it; `q` holds the free words. Never with empty values. */
export type Search = Readonly<Partial<Record<Field | 'q', string>>>;

export const PARTS = [...FIELDS, 'q'] as const;

/** The values of those that have a fixed set of them. */
export const CHOICES: Partial<Record<Field, readonly string[]>> = {
  state: ALL_STATES,
  group: ['active', 'reserved', 'queued', 'finished'],
  engine: ['celery', 'rq'],
  time: TIMES,
};

/** What people also call them. */
const ALSO: Readonly<Record<string, Field>> = {
  status: 'state',
  task: 'name',
  error: 'exception',
  key: 'id',
  exception_type: 'exception',
  since: 'after',
  until: 'before',
};

export function fieldOf(text: string): Field | null {
  const name = text.toLowerCase();
  if (Object.hasOwn(ALSO, name)) return ALSO[name] ?? null;
  return FIELDS.find((field) => field === name) ?? null;
}

export const isList = (field: Field): field is ListField => (LISTS as readonly string[]).includes(field);
export const isSpan = (field: Field): field is SpanField => (SPANS as readonly string[]).includes(field);

export function valuesOf(search: Search, field: ListField): string[] {
  return search[field]?.split(',') ?? [];
}

/** The same search with a value of a list more or less. */
export function toggled(search: Search, field: ListField, value: string): Search {
  const values = valuesOf(search, field);
  const next = values.includes(value) ? values.filter((other) => other !== value) : [...values, value];
  return replaced(search, field, next.join(','));
}

/** The same search with another part; an empty one is taken out. */
export function replaced(search: Search, part: Field | 'q', value: string): Search {
  const entries = Object.entries({ ...search, [part]: value }).filter(([, text]) => text !== '');
  return Object.fromEntries(entries);
}

export function isEmpty(search: Search): boolean {
  return Object.keys(search).length === 0;
}
