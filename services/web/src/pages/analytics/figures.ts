/** Figures and how they changed. */
import { count, UNKNOWN } from '../../lib/format';
import type { AnalyticsTotals } from '../../lib/protocol';

/** Totals of so many seconds of which something is kept. */
export interface Summed {
  totals: AnalyticsTotals;
  seconds: number;
}

/** As text, as far as it is known. */
export function known(value: number | null | undefined, words: (value: number) => string): string {
  return value == null ? UNKNOWN : words(value);
}

/** now / before; null where one of both is not known, or nothing was before. */
export function ratio(now: number | null | undefined, before: number | null | undefined): number | null {
  return now == null || !before ? null : now / before;
}

/** Counts of stretches of different lengths are compared as rates. */
export function countRatio(
  count: (totals: AnalyticsTotals) => number,
  now: Summed,
  before: Summed | null,
): number | null {
  if (before === null || before.seconds <= 0 || now.seconds <= 0) return null;
  return ratio(count(now.totals) / now.seconds, count(before.totals) / before.seconds);
}

/** The difference of two rates in points of a hundred. */
export function points(now: number | null | undefined, before: number | null | undefined): number | null {
  return now == null || before == null ? null : Math.round((now - before) * 1000) / 10;
}

/** 98.7 %, 99.95 %, 100 %: what is not all is never rounded to it. */
export function percent(rate: number): string {
  const value = rate * 100;
  if (value === 0 || value === 100) return `${value} %`;
  const digits = value > 99 ? 2 : 1;
  const shown = Math.min(value, 100 - 10 ** -digits);
  return `${shown.toFixed(digits)} %`;
}

/** Tasks a second, or a minute, hour or day: the unit in which there is at least one. */
export function rateIn(perSecond: number): { value: string; unit: 'second' | 'minute' | 'hour' | 'day' } {
  const found = UNITS.find(([, seconds]) => perSecond * seconds >= 1) ?? (['day', 86_400] as const);
  const value = perSecond * found[1];
  const tenth = value < 10 ? String(Math.round(value * 100) / 100) : value.toFixed(1);
  return { value: value < 100 ? tenth : count(Math.round(value)), unit: found[0] };
}

const UNITS = [
  ['second', 1],
  ['minute', 60],
  ['hour', 3600],
  ['day', 86_400],
] as const;
