/** Searches in the page's address, and as questions to the api. */
import type { Query } from '../../../lib/api';
import type { Patch } from '../../../lib/location';
import { fieldOf, PARTS, TIMES, valuesOf, type Search, type SpanField } from './fields';
import { momentOf, type Walls } from './moments';
import { canonicalSpan, spanOf } from './spans';

/** The search that an address says. Names of the api are understood, too: links of other pages and hands have them. */
export function searchOf(query: Readonly<Record<string, string>>): Search {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(query)) {
    const [part, text] = known(name, value, found);
    if (part !== null && text !== '') found[part] = text;
  }
  return Object.fromEntries(
    PARTS.flatMap((part) => (found[part] === undefined ? [] : [[part, found[part]]])),
  );
}

function known(name: string, value: string, found: Record<string, string>): [string | null, string] {
  if (name === 'q') return ['q', value.trim().split(/\s+/).join(' ')];
  const bound = /^(.+)_(from|to|min|max)$/.exec(name);
  const [, what = '', end = ''] = bound ?? [];
  if (end === 'min') return [what, `${value}..${found[what]?.split('..')[1] ?? ''}`];
  if (end === 'max') return [what, `${found[what]?.split('..')[0] ?? ''}..${value}`];
  if (TIMES.some((time) => time === what)) {
    found.time = what;
    return [end === 'from' ? 'after' : 'before', value];
  }
  const field = name === 'task' ? null : fieldOf(name); // in addresses that is the task that is open
  return field === 'runtime' || field === 'wait' ? [field, canonicalSpan(value) ?? value] : [field, value];
}

/** The change of an address that makes it say `search` and nothing else. */
export function patchOf(search: Search): Patch {
  return Object.fromEntries(PARTS.map((part) => [part, search[part] ?? null]));
}

/** The filter that the api takes. `now`: epoch milliseconds, from which `2h` counts back. */
export function questionOf(search: Search, now: number, zone: Walls): Query {
  const { exception, id, time, after, before, runtime, wait, q, ...plain } = search;
  const name = time ?? TIMES[0];
  return {
    ...plain,
    ...named(id, q),
    exception_type: exception ?? null,
    [`${name}_from`]: moment(after, now, zone),
    [`${name}_to`]: moment(before, now, zone),
    ...span('wait', wait),
    ...(valuesOf(search, 'state').join() === 'running' ? sofar(runtime, now) : span('runtime', runtime)),
  };
}

/** A whole key is looked up; a part of an id is a word to look for. */
function named(id: string | undefined, q: string | undefined): Query {
  const ids = id?.split(',') ?? [];
  const keys = ids.filter((one) => one.includes('/'));
  const parts = ids.filter((one) => !one.includes('/'));
  return { key: keys, q: [...parts, ...(q === undefined ? [] : [q])].join(' ') };
}

function moment(text: string | undefined, now: number, zone: Walls): string | null {
  const at = text === undefined ? null : momentOf(text, now, zone);
  return at === null ? null : new Date(at).toISOString();
}

function span(field: SpanField, text: string | undefined): Query {
  const { min, max } = spanOf(text ?? '') ?? { min: null, max: null };
  return { [`${field}_min`]: min, [`${field}_max`]: max };
}

/** What runs has no runtime yet: how long it runs is when it began. */
function sofar(text: string | undefined, now: number): Query {
  const { min, max } = spanOf(text ?? '') ?? { min: null, max: null };
  const ago = (seconds: number): string => new Date(now - seconds * 1000).toISOString();
  return {
    ...(min === null ? {} : { started_to: ago(min) }),
    ...(max === null ? {} : { started_from: ago(max) }),
  };
}
