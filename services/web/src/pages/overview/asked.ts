/** What the overview asks of the analytics. */
import { get } from '../../lib/api';
import type { Analytics, GroupSeries } from '../../lib/protocol';
import { isWatched } from '../../lib/watched';
import { failingOf, MOST_FAILING, type Failing } from './failing';
import { SPANS, yesterdayUntil, type Window } from './window';

const PATH = 'api/tasks/analytics';

export interface Figures {
  window: Window;
  now: Analytics;
  /** The same time yesterday; null: there is nothing to compare with, and `lacking` says why. */
  before: Analytics | null;
  lacking: 'unread' | 'unwatched' | null;
}

export async function askFigures(
  window: Window,
  source: string | null,
  at: number,
  signal: AbortSignal,
): Promise<Figures> {
  const { bucket, before } = SPANS[window];
  const shared = { source, group_by: 'kind', series: 1, groups: 50 };
  const until = yesterdayUntil(window, at);
  const yesterday = { ...shared, window: before.window, bucket: before.bucket, until };
  const [now, then] = await Promise.all([
    get<Analytics>(PATH, { ...shared, window, bucket }, signal),
    // Without yesterday today is still worth looking at.
    get<Analytics>(PATH, yesterday, signal).catch(() => null),
  ]);
  if (then === null || isWatched(then)) return { window, now, before: then, lacking: then ? null : 'unread' };
  return { window, now, before: null, lacking: 'unwatched' };
}

export interface Failures {
  window: Window;
  failing: Failing[];
  /** Starts of the series' buckets, epoch milliseconds. */
  starts: number[];
  courses: GroupSeries[];
  /** There are more names than were looked at. */
  cut: boolean;
}

/** Which names fail, most failures first; then the course of the first of them. */
export async function askFailures(
  window: Window,
  source: string | null,
  signal: AbortSignal,
): Promise<Failures> {
  const shared = { source, window, group_by: 'name' };
  const names = await get<Analytics>(PATH, { ...shared, series: 0, groups: 500 }, signal);
  const failing = failingOf(names.groups);
  const cut = names.group_count > names.groups.length;
  const shown = failing.slice(0, MOST_FAILING).map((one) => one.name);
  if (shown.length === 0) return { window, failing, starts: [], courses: [], cut };
  const { bucket } = SPANS[window];
  const query = { ...shared, bucket, name: shown, series: shown.length, groups: shown.length };
  const { series } = await get<Analytics>(PATH, query, signal);
  const starts = series?.starts.map((start) => Date.parse(start)) ?? [];
  return { window, failing, starts, courses: series?.groups ?? [], cut };
}

/** How many tasks were lost with each of these workers, by name. */
export async function askLost(
  window: Window,
  source: string | null,
  workers: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, number>> {
  const query = { source, window, group_by: 'worker', worker: workers, series: 0, groups: 100 };
  const { groups } = await get<Analytics>(PATH, query, signal);
  return new Map(groups.map((group) => [group.group ?? '', group.lost]));
}
