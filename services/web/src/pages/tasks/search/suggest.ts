/** What the search field suggests at the caret. */
import { tasks as words } from '$strings/tasks';
import type { Facets, FacetField, FacetValue } from '../../../lib/protocol';
import { CHOICES, FIELDS, fieldOf, isSpan, type Field } from './fields';
import { quoted, tokens, type Token } from './parse';

export interface Suggestion {
  /** What stands in the list. */
  text: string;
  /** The stretch of `text` that fits what was typed. */
  match: readonly [from: number, to: number] | null;
  says: string;
  count: number | null;
  /** What is put between `from` and `to` of the field. */
  insert: string;
}

export interface Suggestions {
  from: number;
  to: number;
  items: Suggestion[];
}

const MOST = 20;
/** Those that are used most come first. */
const ORDER: readonly Field[] = [
  'state',
  'name',
  'queue',
  'worker',
  'runtime',
  'wait',
  'exception',
  'kind',
  'after',
  'before',
];
const FEW = 4;
const SPANS = ['>1s', '>10s', '>1m', '>10m', '<1s', '10s..1m'];
const MOMENTS = ['15m', '1h', '24h', '7d', 'today', 'yesterday'];
const FACETS: readonly FacetField[] = ['state', 'kind', 'name', 'queue', 'worker', 'source'];
/** Fields whose values free words may mean: `fail` is `state:failed`. */
const MEANT: readonly FacetField[] = ['state', 'name', 'queue', 'kind'];

export function suggest(text: string, caret: number, facets: Facets['facets'] | null): Suggestions {
  const token = at(text, caret);
  const typed = token === null ? '' : text.slice(token.from, caret);
  const field = token?.field == null ? null : fieldOf(token.field);
  if (token !== null && field !== null && typed.includes(':')) return values(token, field, typed, facets);
  const place = { from: token?.from ?? caret, to: token?.to ?? caret };
  if (token?.field != null) return { ...place, items: [] };
  return { ...place, items: [...named(typed), ...meant(typed, facets)].slice(0, MOST) };
}

/** The token that the caret is in or behind. */
export function at(text: string, caret: number): Token | null {
  return tokens(text).find((token) => token.from < caret && caret <= token.to) ?? null;
}

function named(typed: string): Suggestion[] {
  const plain = typed.toLowerCase();
  const ordered = [...new Set([...ORDER, ...FIELDS])];
  return ordered
    .filter((field) => field.startsWith(plain))
    .map((field) => ({
      text: `${field}:`,
      match: plain === '' ? null : [0, plain.length],
      says: `${words.fields[field].says} · ${words.fields[field].example}`,
      count: null,
      insert: `${field}:`,
    }));
}

function meant(typed: string, facets: Facets['facets'] | null): Suggestion[] {
  if (typed.length < 2) return [];
  return MEANT.flatMap((field) =>
    matching(facets?.[field].values ?? [], typed.toLowerCase())
      .slice(0, FEW)
      .map((found) => ({
        ...found,
        text: `${field}:${found.text}`,
        match: shifted(found.match, field.length + 1),
        insert: `${field}:${quoted(found.text)} `,
      })),
  );
}

const shifted = (match: Suggestion['match'], by: number): Suggestion['match'] =>
  match === null ? null : [match[0] + by, match[1] + by];

function values(token: Token, field: Field, typed: string, facets: Facets['facets'] | null): Suggestions {
  const begun = typed.slice(typed.indexOf(':') + 1).replaceAll('"', '');
  const comma = begun.lastIndexOf(',') + 1;
  const [before, last] = [begun.slice(0, comma), begun.slice(comma).trimStart()];
  const items = candidates(field, last, facets).map((item) => ({
    ...item,
    insert: `${field}:${quoted(before + item.text)} `,
  }));
  return { from: token.from, to: token.to, items: items.slice(0, MOST) };
}

function candidates(field: Field, last: string, facets: Facets['facets'] | null): Suggestion[] {
  const counted = FACETS.find((facet) => facet === field);
  const known = counted === undefined ? [] : (facets?.[counted].values ?? []);
  const choices = CHOICES[field];
  if (choices !== undefined) return matching(chosen(choices, known), last);
  if (isSpan(field)) return matching(plain(SPANS), last);
  if (field === 'after' || field === 'before') return matching(plain(MOMENTS), last);
  const found = matching(known, last);
  return [...wild(field, last, found), ...found];
}

/** All choices, also those that no task has now. */
function chosen(choices: readonly string[], counted: readonly FacetValue[]): FacetValue[] {
  const counts = new Map(counted.map(({ value, count }) => [value, count]));
  return choices.map((value) => ({ value, count: counts.get(value) ?? (counted.length > 0 ? 0 : -1) }));
}

const plain = (texts: readonly string[]): FacetValue[] => texts.map((value) => ({ value, count: -1 }));

/** One for all that begin so, or have it somewhere. */
function wild(field: Field, last: string, found: readonly Suggestion[]): Suggestion[] {
  if (last === '' || last.includes('*') || found.length < 2) return [];
  const begin = found.every(({ match }) => match?.[0] === 0);
  const text = begin ? `${last}*` : `*${last}*`;
  const count = found.reduce((sum, one) => sum + (one.count ?? 0), 0);
  const match = begin ? ([0, last.length] as const) : ([1, last.length + 1] as const);
  return [{ text, match, says: `${field} · ${words.search.several(found.length)}`, count, insert: '' }];
}

function matching(values: readonly FacetValue[], last: string): Suggestion[] {
  const sought = last.replaceAll('*', '').toLowerCase();
  const found = values.flatMap(({ value, count }): Suggestion[] => {
    const index = value?.toLowerCase().indexOf(sought) ?? -1;
    if (value === null || index < 0) return [];
    const match = sought === '' ? null : ([index, index + sought.length] as const);
    return [{ text: value, match, says: '', count: count < 0 ? null : count, insert: '' }];
  });
  const first = (one: Suggestion): number => (one.match === null || one.match[0] === 0 ? 0 : 1);
  return found.sort((a, b) => first(a) - first(b));
}
