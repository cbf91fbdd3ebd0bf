/** The stretch of time that is asked for: what the address says of it, and what the api is asked. */

export const WINDOWS = ['1h', '6h', '24h', 'today', 'yesterday', '7d', '30d', '90d'] as const;
export const DEFAULT_WINDOW = '24h';

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
const MINUTE = 60;
const HOUR = 3600;
/** How far back rollups reach, and minutes and five minutes of them (docs/analytics.md). */
export const KEPT_SECONDS = 90 * 86_400;
const FINE: readonly (readonly [step: number, back: number])[] = [
  [MINUTE, 6 * HOUR],
  [5 * MINUTE, 48 * HOUR],
];
/** Today is asked for a moment shorter than it is, so that it does not begin yesterday on a clock that is behind. */
const SLACK_SECONDS = 5;
/** Time goes on until the window before is asked for. */
const AHEAD_SECONDS = 60;

/** As the api takes it; `until` null: it ends now. */
export interface Stretch {
  window: string;
  until: string | null;
}

/** The first moment of the day of a moment, in the reader's zone; epoch milliseconds. */
export type Midnight = (at: number) => number;

/** What is asked for; a window that is none goes to the api as it is, which says what is wrong with it. */
export function stretchOf(window: string, until: string | null, now: number, midnight: Midnight): Stretch {
  if (window === 'today') {
    const seconds = Math.floor((now - midnight(now)) / 1000) - SLACK_SECONDS;
    return { window: `${Math.max(MINUTE, seconds)}s`, until: null };
  }
  if (window !== 'yesterday') return { window, until };
  const end = midnight(now);
  return { window: `${(end - midnight(end - 1)) / 1000}s`, until: iso(end / 1000) };
}

/** `5m` → 300; null for what is no duration. */
export function secondsOf(window: string): number | null {
  const found = /^([1-9]\d{0,6})([smhdw])$/.exec(window);
  return found === null ? null : Number(found[1]) * (UNITS[found[2] ?? ''] ?? 0);
}

/** Whether as much time before it is kept, too. */
export function isComparable({ window, until }: Stretch, now: number): boolean {
  const seconds = secondsOf(window);
  if (seconds === null) return false;
  const age = until === null ? 0 : Math.max(0, (now - Date.parse(until)) / 1000);
  return age + 2 * seconds <= KEPT_SECONDS;
}

/** The steps in which what began so many seconds ago is kept. */
export function stepBack(age: number): number {
  return FINE.find(([, back]) => age <= back)?.[0] ?? HOUR;
}

/** A stretch that somebody chose (epoch seconds), in whole steps, not longer than what is kept; `until` null: up to now. */
export function chosenStretch(from: number, to: number, now: number): Stretch {
  const step = stepBack(now - Math.min(from, to));
  const start = Math.max(Math.floor(Math.min(from, to) / step) * step, Math.ceil(now - KEPT_SECONDS + HOUR));
  const end = Math.max(Math.ceil(Math.max(from, to) / step) * step, start + step);
  if (end >= now) return { window: `${Math.ceil((now - start) / MINUTE)}m`, until: null };
  return { window: `${Math.round((end - start) / MINUTE)}m`, until: iso(end) };
}

/** The stretch just before, in the same buckets if they are kept so far back, so that both can be laid over each other. */
export function stretchBefore(
  begin: number,
  length: number,
  bucket: number,
  now: number,
): Stretch & { bucket: string } {
  const kept = bucket % HOUR === 0 ? KEPT_SECONDS : bucketSpan(bucket);
  const room = Math.floor((kept - (now - begin) - AHEAD_SECONDS) / bucket) * bucket;
  const fits = room >= length * 0.9;
  return {
    window: `${fits ? Math.min(room, length) : length}s`,
    until: iso(begin),
    bucket: fits ? `${bucket / MINUTE}m` : 'auto',
  };
}

function bucketSpan(bucket: number): number {
  return Math.max(0, ...FINE.filter(([step]) => bucket % step === 0).map(([, back]) => back));
}

function iso(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}
