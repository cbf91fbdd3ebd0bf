/** The search field's language: `state:failed name:transcribe* runtime:>30s some words`. */
import { tasks as words } from '$strings/tasks';
import { CHOICES, FIELDS, fieldOf, isList, isSpan, PARTS, type Field, type Search } from './fields';
import { canonicalMoment } from './moments';
import { canonicalSpan, spanText } from './spans';

export interface Token {
  from: number;
  to: number;
  /** Null: free words. */
  field: string | null;
  /** Without quotes. */
  value: string;
}

export interface SearchProblem {
  from: number;
  to: number;
  /** The text that is wrong. */
  text: string;
  /** What would be right. */
  words: string;
}

export interface Parsed {
  /** What could be understood. */
  search: Search;
  problems: SearchProblem[];
}

/** The api takes no more. */
const MAX_WORDS = 8;
const MAX_TEXT = 200;
const TOKEN = /(?:[^\s"]|"[^"]*(?:"|$))+/g;
const NAMED = /^([a-z_]+):(.*)$/is;

export function tokens(text: string): Token[] {
  return [...text.matchAll(TOKEN)].map((found) => {
    const [raw] = found;
    const named = NAMED.exec(raw);
    const value = (named?.[2] ?? raw).replaceAll('"', '').trim();
    return { from: found.index, to: found.index + raw.length, field: named?.[1] ?? null, value };
  });
}

export function parse(text: string): Parsed {
  return understood(tokens(text), text);
}

/** What these tokens of `text` say together. */
export function understood(chosen: readonly Token[], text: string): Parsed {
  const found = new Map<Field | 'q', string[]>();
  const problems: SearchProblem[] = [];
  for (const token of chosen) {
    const read = readToken(token);
    if ('problem' in read) {
      problems.push({ ...token, text: text.slice(token.from, token.to), words: read.problem });
    } else found.set(read.part, [...(found.get(read.part) ?? []), ...read.values]);
  }
  const search = joined(found);
  return { search, problems: [...problems, ...tooMuch(search, text)] };
}

type Read = { part: Field | 'q'; values: string[] } | { problem: string };

function readToken({ field: name, value }: Token): Read {
  if (name === null) return { part: 'q', values: value.split(/\s+/).filter(Boolean) };
  const field = fieldOf(name);
  if (field === null) return { problem: words.wrong.field(name, FIELDS) };
  if (value === '') return { problem: words.wrong.empty(words.fields[field].example) };
  return readValue(field, value);
}

function readValue(field: Field, value: string): Read {
  const choices = CHOICES[field];
  if (choices !== undefined) return readChoices(field, choices, value.toLowerCase());
  if (isList(field)) return { part: field, values: listed(value) };
  const canonical = isSpan(field) ? canonicalSpan(value) : canonicalMoment(value);
  const problem = isSpan(field) ? words.wrong.span(value) : words.wrong.moment(value);
  return canonical === null ? { problem } : { part: field, values: [canonical] };
}

function readChoices(field: Field, choices: readonly string[], value: string): Read {
  const values = listed(value);
  const wrong = values.find((one) => !choices.includes(one));
  if (wrong !== undefined) return { problem: words.wrong.choice(wrong, choices) };
  return { part: field, values };
}

const listed = (value: string): string[] =>
  value
    .split(',')
    .map((one) => one.trim())
    .filter(Boolean);

/** Values of a list add up; of everything else the last one counts. */
function joined(found: ReadonlyMap<Field | 'q', string[]>): Search {
  const entries = PARTS.map((part) => {
    const values = [...new Set(found.get(part) ?? [])];
    if (part === 'q') return [part, values.join(' ')] as const;
    return [part, isList(part) ? values.join(',') : (found.get(part)?.at(-1) ?? '')] as const;
  });
  return Object.fromEntries(entries.filter(([, value]) => value !== ''));
}

function tooMuch({ q = '' }: Search, text: string): SearchProblem[] {
  const many = q.split(' ').length > MAX_WORDS || q.length > MAX_TEXT;
  return many ? [{ from: 0, to: text.length, text: q, words: words.wrong.words(MAX_WORDS, MAX_TEXT) }] : [];
}

/** The text of a search, fields first and in order. */
export function format(search: Search): string {
  const named = FIELDS.flatMap((field) => {
    const value = search[field];
    return value === undefined ? [] : [`${field}:${quoted(isSpan(field) ? spanText(value) : value)}`];
  });
  const free = (search.q ?? '').replaceAll('"', ' ').split(/\s+/).filter(Boolean);
  return [...named, ...free.map((word) => (NAMED.test(word) ? `"${word}"` : word))].join(' ');
}

/** A value as it stands behind `field:`. */
export function quoted(value: string): string {
  const plain = value.replaceAll('"', '');
  return /\s/.test(plain) ? `"${plain}"` : plain;
}
