import { describe, expect, test } from 'vitest';
import type {
  Analytics,
  AnalyticsGroup,
  AnalyticsTotals,
  Drain,
  GroupSeries,
  Series,
} from '../../src/lib/protocol';
import type { Failures, Figures } from '../../src/pages/overview/asked';
import { concernsOf, verdictOf, type Seen } from '../../src/pages/overview/attention';
import { courseOf, largest, mean, thinned } from '../../src/pages/overview/course';
import { failingOf, failingSince } from '../../src/pages/overview/failing';
import { depthsOfAll, growingQueues, isUnserved } from '../../src/pages/overview/growing';
import { kindRows } from '../../src/pages/overview/kinds';
import { stretchQuery } from '../../src/pages/overview/stretch';
import { rate, share } from '../../src/pages/overview/text';
import { ratio } from '../../src/pages/overview/trends';
import { vanishedOf } from '../../src/pages/overview/vanished';
import { windowOf, yesterdayUntil } from '../../src/pages/overview/window';
import { queue, source, SUMMARY, worker } from './samples';

const NOW = Date.parse('2026-11-23T21:00:30Z');
const iso = (at: number): string => new Date(at).toISOString();

function totals(fields: Partial<AnalyticsTotals> = {}): AnalyticsTotals {
  const counts = { attempts: 0, finished: 0, succeeded: 0, failed: 0, retried: 0, revoked: 0, rejected: 0 };
  return {
    ...{ ...counts, lost: 0, success_rate: null, retry_rate: null, per_second: 0, runtime: null, wait: null },
    ...fields,
  };
}

function group(name: string, fields: Partial<AnalyticsGroup> = {}): AnalyticsGroup {
  return { ...totals(), group: name, kind: null, share: null, slowest: [], latest_failed: [], ...fields };
}

function columns(succeeded: (number | null)[], failed: (number | null)[]): Series {
  const none = succeeded.map((value) => (value === null ? null : 0));
  const nothing = succeeded.map(() => null);
  return {
    ...{ succeeded, failed, retried: none, revoked: none, rejected: none, lost: none },
    ...{ runtime_mean: nothing, runtime_p50: nothing, runtime_p95: nothing, runtime_p99: nothing },
    ...{ wait_mean: nothing, wait_p50: nothing, wait_p95: nothing, wait_p99: nothing },
  };
}

function analytics(fields: Partial<Analytics> = {}): Analytics {
  const stretch = { start: iso(NOW), end: iso(NOW), seconds: 1, watched: 1, totals: totals() };
  const change = { per_second: null, success_rate: null, retry_rate: null, runtime_mean: null };
  const trend = { ...change, runtime_p95: null, wait_mean: null, wait_p95: null };
  return {
    ...{ at: iso(NOW), start: iso(NOW - 3_600_000), end: iso(NOW), seconds: 3600, group_by: 'kind' },
    ...{
      sources: ['s'],
      stale: false,
      stale_reasons: [],
      watched: 1,
      watched_from: iso(NOW - 3_600_000),
      unwatched: [],
      quantile_error: 0.02,
      gaps: [],
      totals: totals(),
    },
    ...{ slowest: [], latest_failed: [], before: null, change: null, groups: [], group_count: 0 },
    ...{ unattributed: 0, series: null, kinds: null, queues: [], unknown: {} },
    last_day: {
      now: stretch,
      before: stretch,
      trend,
      hours: [],
      finished: [],
      success_rate: [],
      runtime_mean: [],
    },
    ...fields,
  };
}

const figures = (now: Partial<Analytics>, before: Partial<Analytics> | null = null): Figures => ({
  window: '1h',
  now: analytics(now),
  before: before === null ? null : analytics(before),
  lacking: before === null ? 'unread' : null,
});

function seen(fields: Partial<Seen> = {}): Seen {
  return {
    ...{ now: NOW, sources: [source('s')], workers: [worker('w')], queues: [], figures: null },
    ...{ failures: null, lost: null, ...fields },
  };
}

const titles = (fields: Partial<Seen>): string[] => concernsOf(seen(fields)).map(({ title }) => title);

function failures(fields: Partial<AnalyticsGroup>[]): Failures {
  const failing = failingOf(fields.map((one, at) => group(`t${at}`, one)));
  return { window: '1h', failing, starts: [], courses: [], cut: false };
}

describe('what needs attention', () => {
  test('is nothing where all is well', () => {
    expect(titles({ failures: failures([]), figures: figures({}) })).toEqual([]);
  });

  test('is a source that is down, degraded, behind or does not come up', () => {
    const since = iso(NOW - 60_000);
    const sources = [
      source('a', { status: 'degraded', reason: 'workers cannot be asked' }),
      source('b', { status: 'down', reason: 'refused', since }),
      source('c', { stale: 'silent' }),
      source('d', { status: 'starting', since }),
      source('e', { status: 'starting', since: iso(NOW - 1000) }),
    ];
    const concerns = concernsOf(seen({ sources }));
    expect(concerns.map(({ key, severity }) => `${severity} ${key}`)).toEqual([
      'bad source:b',
      'bad source:c',
      'warn source:a',
      'warn source:d',
    ]);
    expect(concerns[0]?.since).toBe(NOW - 60_000);
  });

  test('is workers that are lost, together, with what they had', () => {
    const gone = ['a', 'b', 'c', 'd'].map((name, at) =>
      worker(name, { state: 'lost', heartbeat_at: iso(NOW - at * 1000) }),
    );
    const [concern] = concernsOf(seen({ workers: [worker('w'), ...gone], lost: new Map([['b', 2]]) }));
    expect(concern?.title).toBe('4 workers are lost');
    expect(concern?.text).toContain('a, b, c and 1 more');
    expect(concern?.text).toContain('2 tasks were lost');
    expect(concern?.since).toBe(NOW - 3000);
  });

  test('is no worker that said goodbye', () => {
    expect(titles({ workers: [worker('w'), worker('x', { state: 'offline' })] })).toEqual([]);
  });

  test('is tasks that wait for workers that are not there, unless nobody can know', () => {
    const queues = [queue('q', { depth: 3 })];
    expect(titles({ workers: [], queues })).toEqual(['No worker is online']);
    const sources = [source('s', { status: 'down', reason: 'refused' })];
    expect(titles({ workers: [], queues, sources })).toEqual(['Source s is down']);
  });

  test('is a name that fails often, urgent where most of it fails, and then not everything together', () => {
    const list = failures([
      { failed: 6, succeeded: 14 },
      { failed: 30, succeeded: 10, lost: 1 },
      { failed: 4, succeeded: 0 },
      { failed: 50, succeeded: 5000 },
    ]);
    const all = figures({ totals: totals({ failed: 91, success_rate: 0.5 }) });
    const concerns = concernsOf(seen({ failures: list, figures: all }));
    expect(concerns.map(({ key, severity }) => `${severity} ${key}`)).toEqual([
      'bad fails:t1',
      'warn fails:t0',
    ]);
    expect(concerns[0]?.to).toEqual({ page: 'tasks', query: { state: 'failed,rejected,lost', name: 't1' } });
  });

  test('is a rate of failures that is higher than yesterday, or high where there was none', () => {
    const now = { totals: totals({ failed: 20, success_rate: 0.92 }) };
    const well = { totals: totals({ attempts: 100, success_rate: 0.99 }) };
    const alike = { totals: totals({ attempts: 100, success_rate: 0.95 }) };
    const none = failures([]);
    expect(titles({ failures: none, figures: figures(now, well) })).toEqual(['8.0 % of all tasks fail']);
    expect(titles({ failures: none, figures: figures(now, alike) })).toEqual([]);
    expect(titles({ failures: none, figures: figures(now) })).toEqual([]);
    const worse = { totals: totals({ failed: 20, success_rate: 0.8 }) };
    expect(titles({ failures: none, figures: figures(worse) })).toEqual(['20 % of all tasks fail']);
  });

  test('is much less work, and much longer waits, than yesterday', () => {
    const durations = (p95: number) => ({ count: 9, mean: 1, p50: 1, p95, p99: p95 });
    const now = { totals: totals({ per_second: 0.1, wait: durations(60), runtime: durations(2) }) };
    const before = {
      totals: totals({ finished: 3600, per_second: 1, wait: durations(5), runtime: durations(0.1) }),
    };
    expect(titles({ figures: figures(now, before) })).toEqual([
      'Much less is done than yesterday',
      'Tasks wait longer than yesterday',
    ]);
  });

  test('is told well only from a full and current view', () => {
    const known = { concerns: [], current: true, read: true, problem: false, seen: true };
    expect(verdictOf(known)).toBe('well');
    expect(verdictOf({ ...known, seen: false })).toBe('quiet');
    expect(verdictOf({ ...known, current: false })).toBe('stale');
    expect(verdictOf({ ...known, read: false })).toBe('reading');
    expect(verdictOf({ ...known, read: false, problem: true })).toBe('partly');
    const [down] = concernsOf(seen({ sources: [source('a', { status: 'down' })] }));
    expect(verdictOf({ ...known, concerns: down === undefined ? [] : [down], current: false })).toBe(
      'urgent',
    );
  });
});

describe('queues', () => {
  const drain = (fields: Partial<Drain>): Drain => ({
    ...{ source: 's', queue: 'q', depth: 0, finished_per_second: 1, seconds_to_drain: 1, reason: null },
    ...{ in_per_second: 2, out_per_second: 1, net_drain_seconds: null, grows: true, unknown: {}, ...fields },
  });
  const minutes = (...depths: (number | null)[]) => ({ depths, depths_at: iso(NOW) });

  test('grow since the least of the last hour', () => {
    const [row] = growingQueues(
      [queue('q', { depth: 40, ...minutes(9, 5, null, 5, 20, 40) })],
      [],
      [drain({})],
    );
    expect(row?.least).toEqual({ depth: 5, at: NOW - 120_000 });
    expect(row?.grows).toBe(true);
  });

  test('do not grow where a few messages come and go, or where it is not known', () => {
    const rows = (depth: number, drains: Drain[], ...depths: number[]) =>
      growingQueues([queue('q', { depth, ...minutes(...depths) })], [], drains);
    expect(rows(4, [drain({})], 0, 1, 4)).toEqual([]);
    expect(rows(110, [drain({})], 100, 105, 110)).toEqual([]);
    expect(rows(40, [drain({ grows: null })], 5, 40)).toEqual([]);
    expect(rows(40, [], 5, 40)).toEqual([]);
  });

  test('have nobody who takes from them only where everybody said what they take from', () => {
    const deep = queue('q', { depth: 1 });
    expect(isUnserved(deep, [worker('a', { queues: ['other'] })])).toBe(true);
    expect(isUnserved(deep, [worker('a', { queues: ['q'] })])).toBe(false);
    expect(isUnserved(deep, [worker('a', { queues: null })])).toBe(false);
    expect(
      isUnserved(deep, [worker('a', { queues: ['q'], state: 'lost' }), worker('b', { queues: [] })]),
    ).toBe(true);
    expect(isUnserved(queue('q', { depth: 1, consumers: 0 }), [])).toBe(true);
    expect(isUnserved(queue('q', { depth: 0, consumers: 0 }), [])).toBe(false);
  });

  test('are added up by the minute, whenever each was counted', () => {
    const [a, b] = [
      queue('a', { depths: [1, 2], depths_at: '2026-11-23T21:00:00Z' }),
      queue('b', { depths: [5, null], depths_at: '2026-11-23T20:59:00Z' }),
    ];
    expect(depthsOfAll([a, b], NOW).slice(-3)).toEqual([5, 1, 2]);
  });
});

describe('series', () => {
  const series = (bucket_seconds: number, begin: number, all: Series) => ({
    ...{ bucket_seconds, total: all, groups: [], rest: all },
    starts: all.succeeded.map((_, at) => iso(begin + at * bucket_seconds * 1000)),
  });
  const begin = Date.parse('2026-11-23T20:55:00Z');

  test('are rates a minute, of the last bucket for as long as it is', () => {
    const all = columns([60, 60, null, 60, 60, 30], [6, 0, null, 0, 0, 0]);
    const course = courseOf(analytics({ series: series(60, begin, all) }), null);
    expect(course.finished).toEqual([66, 60, null, 60, 60, 60]);
    expect(course.failed[0]).toBe(6);
    expect(course.before).toBeNull();
  });

  test('are of the time that was watched in the first one that was', () => {
    const all = columns([null, 12, 60, 60, 60, 30], [null, 3, 0, 0, 0, 0]);
    const now = { watched_from: iso(begin + 105_000), series: series(60, begin, all) };
    expect(courseOf(analytics(now), null).finished).toEqual([null, 60, 60, 60, 60, 60]);
  });

  test('leave out a bucket that has just begun', () => {
    const all = columns([1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]);
    const now = analytics({ end: iso(begin + 5 * 60_000 + 9000), series: series(60, begin, all) });
    expect(courseOf(now, null).times.length).toBe(5);
  });

  test('put yesterday at the same times of today, and nothing where nothing was', () => {
    const all = columns([1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]);
    const now = analytics({ series: series(60, begin, all) });
    const day = 86_400_000;
    const then = { series: series(300, begin - day - 120_000, columns([50, 100], [0, 0])) };
    const before = analytics({ ...then, totals: totals({ attempts: 150 }) });
    expect(courseOf(now, before).before).toEqual([10, 10, 10, 20, 20, 20]);
    expect(courseOf(now, analytics(then)).before).toBeNull();
  });

  test('are thinned without inventing what is unknown', () => {
    expect(thinned([1, 3, null, 5, null, null, 7], 4, mean)).toEqual([2, 5, null, 7]);
    expect(thinned([1, 3, 2], 2, largest)).toEqual([3, 2]);
    expect(thinned([], 4, mean)).toEqual([]);
  });
});

describe('the overview', () => {
  test('ranks names by how many failed, and counts what was lost or rejected', () => {
    const rows = failingOf([
      group('a', { failed: 1, succeeded: 1 }),
      group('b', { failed: 1, lost: 1, rejected: 1, revoked: 9, succeeded: 3 }),
      group('c', { succeeded: 8 }),
    ]);
    expect(rows.map(({ name, failed, rate }) => [name, failed, rate])).toEqual([
      ['b', 3, 0.5],
      ['a', 1, 0.5],
    ]);
  });

  test('says since when a name fails, if it did not before', () => {
    const course = (failed: number[]): GroupSeries => ({ ...columns([1, 1, 1], failed), group: 'a' });
    expect(failingSince(course([0, 2, 1]), [10, 20, 30])).toBe(20);
    expect(failingSince(course([1, 2, 1]), [10, 20, 30])).toBeNull();
    expect(failingSince(undefined, [])).toBeNull();
  });

  test('has a row for each configured kind, also where nothing happened, and other last', () => {
    const now = analytics({ groups: [group('vod', { per_second: 2 })] });
    const before = analytics({ groups: [group('vod', { per_second: 1 })] });
    const rows = kindRows(['vod', 'cleanup'], SUMMARY, now, before);
    expect(rows.map(({ kind, trend }) => [kind, trend])).toEqual([
      ['vod', 2],
      ['cleanup', null],
      ['other', null],
    ]);
    expect(rows[1]?.live?.active).toBe(0);
    expect(kindRows([], null, null, null)[0]?.live).toBeNull();
  });

  test('compares with yesterday only what is known of both', () => {
    expect([ratio(3, 2), ratio(3, 0), ratio(3, null), ratio(undefined, 2)]).toEqual([1.5, null, null, null]);
  });

  test('lists workers that vanished, lost ones first, the latest sign first', () => {
    const list = [
      worker('on'),
      worker('off', { state: 'offline', heartbeat_at: iso(NOW) }),
      worker('old', { state: 'lost', heartbeat_at: iso(NOW - 9000) }),
      worker('new', { state: 'lost', heartbeat_at: iso(NOW) }),
    ];
    expect(vanishedOf(list).map(({ name }) => name)).toEqual(['new', 'old', 'off']);
  });

  test('asks for yesterday by whole buckets, and takes an unknown window for an hour', () => {
    expect(new Date(yesterdayUntil('1h', NOW) * 1000).toISOString()).toBe('2026-11-22T21:05:00.000Z');
    expect(yesterdayUntil('1h', NOW)).toBe(yesterdayUntil('1h', NOW + 60_000));
    expect([windowOf('24h'), windowOf('9y'), windowOf(null)]).toEqual(['24h', '1h', '1h']);
  });

  test('leads from a stretch to the analytics of what is kept of it', () => {
    const at = (text: string): number => Date.parse(text) / 1000;
    const now = at('2026-11-23T21:00:30Z');
    const near = stretchQuery(at('2026-11-23T20:10:20Z'), at('2026-11-23T20:12:01Z'), now);
    expect(near).toEqual({ window: '3m', until: '2026-11-23T20:13:00Z' });
    const far = stretchQuery(at('2026-11-23T02:11:00Z'), at('2026-11-23T02:12:00Z'), now);
    expect(far).toEqual({ window: '5m', until: '2026-11-23T02:15:00Z' });
  });

  test('never rounds a share to all or nothing', () => {
    expect([0, 0.0001, 0.034, 0.5, 0.996, 0.9999, 1].map(share)).toEqual([
      '0 %',
      '< 0.1 %',
      '3.4 %',
      '50 %',
      '99.6 %',
      '> 99.9 %',
      '100 %',
    ]);
    expect([null, 0, 0.04, 3.21, 42.4].map(rate)).toEqual(['–', '0', '< 0.1', '3.2', '42']);
  });
});
