/** Series for the chart and for the small ones beside figures. */
import type { Analytics } from '../../lib/protocol';
import { failedColumn, finishedColumn } from './failing';
import { DAY_SECONDS } from './window';

type Values = (number | null)[];

/** Everything a minute; `times` are the starts of the buckets in epoch seconds. */
export interface Course {
  times: number[];
  finished: Values;
  failed: Values;
  /** Yesterday's, at the same times of today; null: there is nothing to compare with. */
  before: Values | null;
}

export const NO_COURSE: Course = { times: [], finished: [], failed: [], before: null };

export function courseOf(now: Analytics, before: Analytics | null): Course {
  const { series } = now;
  if (series === null) return NO_COURSE;
  const starts = series.starts.map(seconds);
  const whole = seconds(now.end);
  // A bucket that has just begun says nothing yet.
  const times = starts.filter((start) => whole - start >= series.bucket_seconds / 2);
  // The first one that was watched may be so in part.
  const since = seconds(now.watched_from ?? now.start);
  const lengths = times.map(
    (start) => Math.min(start + series.bucket_seconds, whole) - Math.max(start, since),
  );
  const aMinute = (values: Values): Values => lengths.map((length, at) => rate(values[at] ?? null, length));
  return {
    times,
    finished: aMinute(finishedColumn(series.total)),
    failed: aMinute(failedColumn(series.total)),
    before: before === null || before.totals.attempts === 0 ? null : shifted(before, times),
  };
}

/** Yesterday's rates at `times` of today: each as long as its bucket. */
function shifted({ series }: Analytics, times: readonly number[]): Values | null {
  if (series === null) return null;
  const length = series.bucket_seconds;
  const begin = seconds(series.starts[0] ?? '');
  const values = finishedColumn(series.total);
  return times.map((time) => rate(values[Math.floor((time - DAY_SECONDS - begin) / length)] ?? null, length));
}

const rate = (value: number | null, length: number): number | null =>
  value === null || length <= 0 ? null : (value / length) * 60;

const seconds = (moment: string): number => Date.parse(moment) / 1000;

/** At most `most` values: neighbours are put together by `how`, and what is unknown is left out of it. */
export function thinned(
  values: readonly (number | null)[],
  most: number,
  how: (values: number[]) => number,
): Values {
  const each = Math.max(1, Math.ceil(values.length / most));
  const parts = Array.from({ length: Math.ceil(values.length / each) }, (_, at) =>
    values.slice(at * each, (at + 1) * each).filter((value) => value !== null),
  );
  return parts.map((part) => (part.length === 0 ? null : how(part)));
}

export const mean = (values: number[]): number =>
  values.reduce((total, value) => total + value, 0) / values.length;

export const largest = (values: number[]): number => Math.max(...values);
