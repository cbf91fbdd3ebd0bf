/** Series of what ended, made of the columns that analytics answers. */
import { epoch } from '../lib/format';
import type { Series, SeriesSet } from '../lib/protocol';

const ENDS = ['succeeded', 'failed', 'revoked', 'rejected', 'lost'] as const;
/** A bucket that has just begun says nothing of a rate. */
const LEAST_SECONDS = 10;

export type Counts = (number | null)[];

/** Tasks that ended in each bucket, in whatever way; an attempt that is retried is no end. */
export function ended(columns: Series): Counts {
  return sum(...ENDS.map((name) => columns[name]));
}

/** Of those, the ones that went wrong. */
export function wrong(columns: Series): Counts {
  return sum(columns.failed, columns.lost);
}

/** Of each bucket; null where nothing is kept at all. */
export function sum(...columns: readonly (readonly (number | null)[])[]): Counts {
  const [first = []] = columns;
  return first.map((_, at) => {
    const values = columns.map((column) => column[at] ?? null);
    return values.every((value) => value === null) ? null : total(values);
  });
}

export function total(counts: Counts): number {
  return counts.reduce<number>((all, value) => all + (value ?? 0), 0);
}

/** Starts of the buckets, in epoch seconds. */
export function startsOf(series: SeriesSet): number[] {
  return series.starts.map((start) => (epoch(start) ?? 0) / 1000);
}

/** Counts as rates a minute; the last bucket lasts until `end` (epoch seconds) only. */
export function perMinute(counts: Counts, starts: readonly number[], bucket: number, end: number): Counts {
  return counts.map((value, at) => {
    const seconds = Math.min(bucket, end - (starts[at] ?? end));
    return value === null || seconds < LEAST_SECONDS ? null : (value * 60) / seconds;
  });
}

/** A rate a minute as text: as many digits as it needs. */
export function rate(value: number): string {
  if (value === 0) return '0';
  const digits = value >= 10 ? 0 : value >= 1 ? 1 : 2;
  return value.toFixed(digits).replace(/\.0+$/, '');
}
