/** What of a task is shown, by the address. */
import { splitKey } from '../lib/location';
import type { PlaceState } from '../lib/place.svelte';

/** The answer of the api instead of what is made of it. */
export function raw(place: PlaceState): boolean {
  return place.get('show') === 'raw';
}

/** The text of the traceback as it came. */
export function rawTraceback(place: PlaceState): boolean {
  return place.get('traceback') === 'raw';
}

/** Of a key; an address may hold an id alone, too. */
export function idOf(key: string): string {
  return key.includes('/') ? splitKey(key)[1] : key;
}

/** Type and message of an exception, as far as there are some. */
export function failureWords(of: { exception_type: string | null; exception: string | null }): string {
  return [of.exception_type, of.exception].filter(Boolean).join(': ');
}

/** One thing that is known of a task, or is not. */
export interface Fact {
  label: string;
  /** Null: not known, for the reason that `field` has. */
  value: string | null;
  field: string;
  /** Where it leads. */
  href?: string;
  note?: string;
}
