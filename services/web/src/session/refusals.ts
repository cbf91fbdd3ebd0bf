/** What went wrong with signing in, in words, and what to try. */
import { session as words } from '$strings/session';
import type { Problem } from '../lib/protocol';

export interface Refusal {
  title: string;
  /** What to try. */
  text: string;
  /** As the api says it, for whoever is asked for help. */
  detail: string | null;
  /** Seconds until another try is worth it. */
  wait: number | null;
}

/** What was to be known: whether a token is good, or who this is. */
export type Asked = 'token' | 'who';

/** The parameter of the address; beside its hash, where everything else is. */
export const TURNED_BACK = 'sign-in';

export type Told = Partial<Problem>;

export const AWAY: Refusal = { ...words.refusals.away, detail: null, wait: null };
/** An answer that is not the api's: a proxy's own page of signing in, as a rule. */
export const STRANGE: Refusal = { ...words.refusals.strange, detail: null, wait: null };

const BY_CODE = new Map<string, keyof typeof words.refusals>([
  ['refused', 'declined'],
  ['expired', 'late'],
  ['failed', 'failed'],
  ['unavailable', 'provider'],
  ['no-grant', 'noGrant'],
]);

/** What the page's address says of a sign-in that came to nothing; null: nothing that is known here. */
export function turnedBack(search: string): Refusal | null {
  const name = BY_CODE.get(new URLSearchParams(search).get(TURNED_BACK) ?? '');
  return name === undefined ? null : { ...words.refusals[name], detail: null, wait: null };
}

export function refusalOf({ status, headers }: Response, told: Told, asked: Asked): Refusal {
  const retryAfter = headers.get('retry-after');
  const wait = retryAfter !== null && /^\d+$/.test(retryAfter) ? Number(retryAfter) : null;
  const { title, text } = words.refusals[nameOf(status, kindOf(told), asked)];
  return { title, text, detail: told.detail ?? told.title ?? null, wait };
}

type Name = keyof typeof words.refusals;

const BY_KIND: Readonly<Partial<Record<string, Name>>> = {
  'unknown-token': 'wrong',
  'invalid-token': 'wrong',
  'malformed-token': 'wrong',
  'expired-token': 'over',
  'too-many-failures': 'throttled',
  'no-grant': 'noGrant',
  'no-tokens': 'noTokens',
  'foreign-origin': 'foreign',
  'foreign-host': 'foreign',
  'provider-unavailable': 'provider',
};

function nameOf(status: number, kind: string, asked: Asked): Name {
  const known = BY_KIND[kind];
  if (known !== undefined) return known;
  if (status === 401 && asked === 'token') return 'wrong';
  if (status === 429) return 'throttled';
  if (status >= 500) return 'away';
  return status === 403 ? 'forbidden' : 'unknown';
}

/** `urn:taskscope:problem:no-grant` → `no-grant`. */
function kindOf(told: Told): string {
  return told.type?.split(/[:/]/).at(-1) ?? '';
}
