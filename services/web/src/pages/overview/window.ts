/** The windows that the overview looks at, and the same time yesterday. */

export const WINDOWS = ['1h', '6h', '24h'] as const;
export type Window = (typeof WINDOWS)[number];

export const DAY_SECONDS = 86_400;

interface Span {
  /** Of the series. */
  bucket: string;
  /**
   * Minutes are kept for 6 hours and 5 minutes for 48, so yesterday's buckets are longer; and one more of them, so that they cover
   * the whole window of today wherever in a bucket it begins. What is compared are rates, which that does not change.
   */
  before: { window: string; bucket: string; step: number };
}

export const SPANS: Readonly<Record<Window, Span>> = {
  '1h': { bucket: '1m', before: { window: '65m', bucket: '5m', step: 300 } },
  '6h': { bucket: '5m', before: { window: '365m', bucket: '5m', step: 300 } },
  '24h': { bucket: '15m', before: { window: '25h', bucket: '1h', step: 3600 } },
};

export function windowOf(text: string | null): Window {
  return WINDOWS.find((known) => known === text) ?? '1h';
}

/** Where yesterday's window ends, in epoch seconds: the end of a bucket, so that the same question is asked for minutes. */
export function yesterdayUntil(window: Window, now: number): number {
  const { step } = SPANS[window].before;
  return Math.ceil(now / 1000 / step) * step - DAY_SECONDS;
}
