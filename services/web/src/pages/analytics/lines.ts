/** The columns of an answer as series of a chart. Times are epoch seconds. */
import type { ChartSeries } from '../../components/chart';
import type { Analytics, AnalyticsTotals, Series, SeriesSet } from '../../lib/protocol';
import { seconds, type Measure } from './asked';

export const OUTCOMES = ['succeeded', 'failed', 'retried', 'revoked', 'rejected', 'lost'] as const;
export type Outcome = (typeof OUTCOMES)[number];
export type Values = readonly (number | null)[];
/** A value of each bucket of a series. */
export type Column = (series: Series) => Values;
export const QUANTILES = ['p50', 'p95', 'p99'] as const;
export type Quantile = (typeof QUANTILES)[number];
export type Timed = 'runtime' | 'wait';

export function timesOf(set: SeriesSet): number[] {
  return set.starts.map(seconds);
}

export const finished: Column = (series) =>
  sums(series, ['succeeded', 'failed', 'revoked', 'rejected', 'lost']);

export const attempts: Column = (series) => sums(series, OUTCOMES);

export const failed: Column = (series) => series.failed;

/** As `success_rate` of the totals: revoked and retried attempts are left out. */
export const success: Column = (series) => {
  const ended = sums(series, ['succeeded', 'failed', 'rejected', 'lost']);
  return series.succeeded.map((value, at) => ratio(value, ended[at] ?? null));
};

export const quantile =
  (of: Timed, which: Quantile): Column =>
  (series) =>
    series[`${of}_${which}`] ?? series.succeeded.map(() => null);

export const COLUMNS: Readonly<Record<Measure, Column>> = {
  finished,
  failed,
  success,
  wait: quantile('wait', 'p95'),
  runtime: quantile('runtime', 'p95'),
};

/** The same of the whole window. */
export function totalOf(totals: AnalyticsTotals, measure: Measure): number | null {
  const { finished, failed, success_rate, wait, runtime } = totals;
  return { finished, failed, success: success_rate, wait: wait?.p95, runtime: runtime?.p95 }[measure] ?? null;
}

/** The outcomes that there were; success and failure in any case. */
export function outcomes(series: Series): Outcome[] {
  return OUTCOMES.filter(
    (outcome) => outcome === 'succeeded' || outcome === 'failed' || series[outcome].some((value) => value),
  );
}

/** The column of the window before, laid over the times of this one. `scaled`: counts of buckets of another length. */
export function laidOver(
  now: Analytics,
  before: Analytics | null,
  column: Column,
  scaled = false,
): Values | null {
  if (now.series === null || now.before === null || !before?.series) return null;
  const { series } = before;
  const begin = seconds(series.starts[0] ?? before.start);
  const shift = seconds(now.before.end) - seconds(now.before.start);
  const values = column(series.total);
  const factor = scaled ? now.series.bucket_seconds / series.bucket_seconds : 1;
  return timesOf(now.series).map((at) => {
    const value = values[Math.floor((at - shift - begin) / series.bucket_seconds)] ?? null;
    return value === null ? null : value * factor;
  });
}

/** A line for each of the largest groups; the empty list where that measure is not kept for them. */
export function groupLines(
  set: SeriesSet,
  measure: Measure,
  label: (group: string | null) => string,
  summary: (group: string | null) => string | undefined,
): ChartSeries[] {
  return set.groups.map((group, at) => ({
    label: label(group.group),
    tone: `series-${(at % 8) + 1}`,
    values: COLUMNS[measure](group),
    summary: summary(group.group),
  }));
}

/** Where the axis of a rate begins, so that what is below it shows. */
export function rateFloor(columns: readonly Values[]): number {
  const least = Math.min(1, ...columns.flat().filter((value) => value !== null));
  return [0.99, 0.95, 0.9, 0.75, 0.5].find((floor) => least >= floor) ?? 0;
}

function sums(series: Series, names: readonly Outcome[]): Values {
  return series.succeeded.map((known, at) =>
    known === null ? null : names.reduce((sum, name) => sum + (series[name][at] ?? 0), 0),
  );
}

function ratio(part: number | null, whole: number | null): number | null {
  return part === null || !whole ? null : part / whole;
}
