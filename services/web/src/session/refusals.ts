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

export type Told = Partial<Problem>;

export const AWAY: Refusal = { ...words.refusals.away, detail: null, wait: null };
/** An answer that is not the api's: a proxy's own page of signing in, as a rule. */
export const STRANGE: Refusal = { ...words.refusals.strange, detail: null, wait: null };

export function refusalOf(status: number, told: Told, retryAfter: string | null): Refusal {
  const wait = retryAfter !== null && /^\d+$/.test(retryAfter) ? Number(retryAfter) : null;
  const { title, text } = words.refusals[nameOf(status, kindOf(told))];
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

function nameOf(status: number, kind: string): Name {
  const known = BY_KIND[kind];
  if (known !== undefined) return known;
  if (status === 429) return 'throttled';
  if (status >= 500) return 'away';
  return status === 403 ? 'forbidden' : 'unknown';
}

/** `urn:taskscope:problem:no-grant` → `no-grant`. */
function kindOf(told: Told): string {
  return told.type?.split(/[:/]/).at(-1) ?? '';
}
