/** Times as the reader wants them: in this machine's zone, UTC or another; remembered in the browser. */

const KEY = 'taskscope.zone';
export const LOCAL = 'local';

interface Formats {
  clock: (at: number) => string;
  day: (at: number) => string;
  short: (at: number) => string;
  offset: (at: number) => string;
}

const MOST_TEXTS = 500;
const SECOND_MS = 1000;
const MINUTE_MS = 60_000;

export class ZoneState {
  /** `local`, `UTC`, or an IANA name. */
  choice = $state(remembered());
  readonly name: string = $derived.by(() => (this.choice === LOCAL ? localZone() : this.choice));
  readonly #formats: Formats = $derived(formats(this.choice));

  choose(choice: string): void {
    this.choice = choice === LOCAL || isZone(choice) ? choice : LOCAL;
    try {
      localStorage.setItem(KEY, this.choice);
    } catch {
      // Storage is forbidden: the choice lasts as long as the page.
    }
  }

  /** 14:03:09. */
  clock(at: number): string {
    return this.#formats.clock(at);
  }

  /** 2026-03-09. */
  day(at: number): string {
    return this.#formats.day(at);
  }

  /** 9 Mar. */
  shortDay(at: number): string {
    return this.#formats.short(at);
  }

  /** 14:03:09, with the day before it when that is another than `now`'s. */
  when(at: number, now: number): string {
    return this.day(at) === this.day(now)
      ? this.clock(at)
      : `${this.shortDay(at)} ${this.clock(at).slice(0, 5)}`;
  }

  /** 2026-03-09 14:03:09.120 CET, for titles and details. */
  moment(at: number): string {
    const millis = String(Math.floor(at) % 1000).padStart(3, '0');
    return `${this.day(at)} ${this.clock(at)}.${millis} ${this.offset(at)}`;
  }

  /** CET, UTC, GMT+5:30. */
  offset(at: number): string {
    return this.#formats.offset(at) || this.name;
  }

  /** The first moment of the day that `at` is in, in this zone; epoch milliseconds. */
  midnight(at: number): number {
    const day = this.day(at);
    // Days are 23 to 25 hours long: the first quarter of an hour that is of this day.
    const [hours = 0, minutes = 0] = this.clock(at).split(':').map(Number);
    let begin = Math.floor(at / 900_000) * 900_000 - (hours * 60 + Math.floor(minutes / 15) * 15) * 60_000;
    while (this.day(begin) < day) begin += 900_000;
    while (this.day(begin - 900_000) === day) begin -= 900_000;
    return begin;
  }
}

export function isZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

export function localZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

function formats(choice: string): Formats {
  const two = '2-digit';
  const zone = choice === LOCAL ? {} : { timeZone: choice };
  const iso = choice === LOCAL ? isoHere : choice === 'UTC' ? isoUtc : null;
  return {
    clock: iso
      ? (at) => iso(at).slice(11, 19)
      : cached({ ...zone, hour: two, minute: two, second: two, hourCycle: 'h23' }, 'en-GB', SECOND_MS),
    day: iso
      ? (at) => iso(at).slice(0, 10)
      : cached({ ...zone, year: 'numeric', month: two, day: two }, 'sv-SE', MINUTE_MS),
    short: cached({ ...zone, day: 'numeric', month: 'short' }, 'en-GB', MINUTE_MS),
    offset: cached({ ...zone, timeZoneName: 'short' }, 'en-US', MINUTE_MS, zoneName),
  };
}

/** What most readers have chosen needs no Intl, whose first use takes 40 ms, and the first row has to wait for it. */
const isoUtc = (at: number): string => new Date(at).toISOString();
const isoHere = (at: number): string => isoUtc(at - new Date(at).getTimezoneOffset() * MINUTE_MS);

function zoneName(format: Intl.DateTimeFormat, at: number): string {
  return format.formatToParts(at).find(({ type }) => type === 'timeZoneName')?.value ?? '';
}

/**
 * Rows of a table are of few moments, and a text takes far longer to make than to find; so does a format, which is made when it is
 * first used. `step`: milliseconds with one text.
 */
function cached(
  options: Intl.DateTimeFormatOptions,
  locale: string,
  step: number,
  say = (format: Intl.DateTimeFormat, at: number): string => format.format(at),
): (at: number) => string {
  let format: Intl.DateTimeFormat | null = null;
  const texts = new Map<number, string>(); // eslint-disable-line svelte/prefer-svelte-reactivity -- a cache
  return (at) => {
    const moment = Math.floor(at / step);
    const known = texts.get(moment);
    if (known !== undefined) return known;
    if (texts.size >= MOST_TEXTS) texts.clear();
    format ??= new Intl.DateTimeFormat(locale, options);
    const text = say(format, at);
    texts.set(moment, text);
    return text;
  };
}

function remembered(): string {
  try {
    const value = localStorage.getItem(KEY);
    return value !== null && isZone(value) ? value : LOCAL;
  } catch {
    return LOCAL;
  }
}
