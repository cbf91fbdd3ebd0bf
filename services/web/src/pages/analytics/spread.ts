/** Durations of groups side by side, on an axis that grows tenfold. */
import type { AnalyticsGroup, Durations } from '../../lib/protocol';
import type { Timed } from './lines';

export interface SpreadRow {
  group: AnalyticsGroup;
  durations: Durations & { p50: number; p95: number; p99: number; mean: number };
}

const MOST = 20;

/** The largest groups of which durations are known. */
export function spreadRows(groups: readonly AnalyticsGroup[], of: Timed): SpreadRow[] {
  const rows = groups.flatMap((group) => {
    const { p50, p95, p99, mean } = group[of] ?? {};
    const row = group[of];
    if (row == null || p50 == null || p95 == null || p99 == null || mean == null) return [];
    return [{ group, durations: { ...row, p50, p95, p99, mean } }];
  });
  return rows.slice(0, MOST);
}

/** The powers of ten around all of them, at least one decade; nothing is told apart below a tenth of a millisecond. */
export function decades(rows: readonly SpreadRow[]): number[] {
  const values = rows.flatMap(({ durations }) => [durations.p50, durations.p99, durations.mean]);
  const low = Math.floor(Math.log10(Math.max(1e-4, Math.min(...values))));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(1e-4, ...values))));
  return Array.from({ length: high - low + 1 }, (_, at) => 10 ** (low + at));
}

/** Where on the axis, as a share of its length. */
export function placeOn(axis: readonly number[], seconds: number): number {
  const [low = 1, high = 10] = [axis[0], axis.at(-1)];
  const share = Math.log(Math.max(seconds, 1e-9) / low) / Math.log(high / low);
  return Math.min(1, Math.max(0, share));
}
