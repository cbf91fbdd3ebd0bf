/** Rates, shares and what they lack as text. */
import { overview as words } from '$strings/overview';
import { compact, UNKNOWN } from '../../lib/format';
import type { Figures } from './asked';

/** A rate a minute or a second: 0, 0.4, 3.2, 42, 1,200. */
export function rate(value: number | null): string {
  if (value === null) return UNKNOWN;
  if (value === 0) return '0';
  if (value < 0.1) return '< 0.1';
  return value < 10 ? value.toFixed(1) : compact(Math.round(value));
}

/** A part of 1 in percent, never rounded to all or nothing: 0 %, 0.4 %, 12 %, 99.6 %, 100 %. */
export function share(value: number | null): string {
  if (value === null) return UNKNOWN;
  if (value === 0 || value === 1) return `${value * 100} %`;
  const percent = value * 100;
  if (percent < 0.1) return '< 0.1 %';
  if (percent > 99.9) return '> 99.9 %';
  return percent < 10 || percent > 90 ? `${percent.toFixed(1)} %` : `${Math.round(percent)} %`;
}

/** A rate on an axis, whose steps may be parts of 1. */
export function tick(value: number): string {
  return value < 10 ? String(Number(value.toFixed(2))) : compact(Math.round(value));
}

/** Why nothing of yesterday stands beside a figure. */
export function lackOf({ lacking }: Figures): string {
  return lacking === null ? words.figures.nothingYesterday : words.figures.lacking[lacking];
}
