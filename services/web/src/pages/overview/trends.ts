/** How a window differs from the same time yesterday. */
import type { AnalyticsTotals } from '../../lib/protocol';

export interface Trends {
  /** now / before; null: one of both is not known, or nothing was before. */
  throughput: number | null;
  wait: number | null;
  runtime: number | null;
  /** now - before, in parts of 1. */
  success: number | null;
}

type Totals = Pick<AnalyticsTotals, 'per_second' | 'success_rate' | 'wait' | 'runtime'>;

export function trendsOf(now: Totals, before: Totals | null | undefined): Trends {
  const [rate, then] = [now.success_rate, before?.success_rate ?? null];
  return {
    throughput: ratio(now.per_second, before?.per_second),
    wait: ratio(now.wait?.p95, before?.wait?.p95),
    runtime: ratio(now.runtime?.p95, before?.runtime?.p95),
    success: rate === null || then === null ? null : rate - then,
  };
}

export function ratio(now: number | null | undefined, before: number | null | undefined): number | null {
  if (now === null || now === undefined || before === null || before === undefined || before === 0)
    return null;
  return now / before;
}
