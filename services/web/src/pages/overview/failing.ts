/** Names of tasks by how many of them failed. */
import { sum } from '../../fleet/counts';
import type { AnalyticsExample, AnalyticsGroup, GroupSeries, Series } from '../../lib/protocol';
import { ascending } from '../../lib/order';

export const MOST_FAILING = 8;

export interface Failing {
  key: string;
  name: string;
  /** Failed, rejected or lost. */
  failed: number;
  /** Those and the ones that succeeded. */
  all: number;
  rate: number;
  last: AnalyticsExample | null;
}

export function failingOf(groups: readonly AnalyticsGroup[]): Failing[] {
  return groups
    .map(rowOf)
    .filter((row) => row !== null)
    .sort((a, b) => b.failed - a.failed || b.rate - a.rate || ascending(a.name, b.name));
}

function rowOf(group: AnalyticsGroup): Failing | null {
  const failed = failuresOf(group);
  if (failed === 0 || group.group === null) return null;
  const all = failed + group.succeeded;
  const last = group.latest_failed[0] ?? null;
  return { key: group.group, name: group.group, failed, all, rate: failed / all, last };
}

export function failuresOf(counts: { failed: number; rejected: number; lost: number }): number {
  return counts.failed + counts.rejected + counts.lost;
}

/** Of each bucket; null where nothing is known. */
export function failedColumn(columns: Series | GroupSeries): (number | null)[] {
  return sum(columns.failed, columns.rejected, columns.lost);
}

/** All that ended for good; a retried attempt comes again. */
export function finishedColumn(columns: Series | GroupSeries): (number | null)[] {
  return sum(columns.succeeded, columns.revoked, failedColumn(columns));
}

/** When the first failure of the window was; null: at its very beginning, so maybe long before. Epoch milliseconds. */
export function failingSince(course: GroupSeries | undefined, starts: readonly number[]): number | null {
  const first = course === undefined ? -1 : failedColumn(course).findIndex((value) => (value ?? 0) > 0);
  return first > 0 ? (starts[first] ?? null) : null;
}
