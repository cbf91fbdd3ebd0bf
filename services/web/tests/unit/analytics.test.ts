import { describe, expect, it } from 'vitest';
import { painted, stacked, type ChartSeries } from '../../src/components/chart';
import type { Analytics, AnalyticsGroup, AnalyticsTotals, Series } from '../../src/lib/protocol';
import {
  analyticsQuery,
  askedOf,
  beforeQuery,
  conflictOf,
  groupsBy,
  isLive,
  narrowed,
} from '../../src/pages/analytics/asked';
import { slowestOf } from '../../src/pages/analytics/examples';
import { countRatio, percent, points, rateIn } from '../../src/pages/analytics/figures';
import { attempts, laidOver, outcomes, rateFloor, success } from '../../src/pages/analytics/lines';
import { shortNames } from '../../src/pages/analytics/naming';
import { decades, placeOn } from '../../src/pages/analytics/spread';
import {
  chosenStretch,
  isComparable,
  secondsOf,
  stretchBefore,
  stretchOf,
} from '../../src/pages/analytics/stretch';
import { columnIds, nextSort, rowsOf, sortOf } from '../../src/pages/analytics/table';
import { momentOf, wallText } from '../../src/pages/analytics/wall';
import { ZoneState } from '../../src/lib/zone.svelte';

const NOW = Date.parse('2026-03-10T12:00:00Z');
const answer = (over: object): Analytics => over as unknown as Analytics;
const utcMidnight = (at: number): number => Math.floor(at / 86_400_000) * 86_400_000;

describe('the stretch of time', () => {
  it('passes a window on as it is, and what is none too, so that the api says what is wrong', () => {
    expect(stretchOf('7d', null, NOW, utcMidnight)).toEqual({ window: '7d', until: null });
    expect(stretchOf('soon', null, NOW, utcMidnight)).toEqual({ window: 'soon', until: null });
  });

  it('lets today begin at midnight and never before it', () => {
    expect(stretchOf('today', null, NOW, utcMidnight)).toEqual({ window: '43195s', until: null });
    expect(stretchOf('today', null, utcMidnight(NOW) + 10, utcMidnight).window).toBe('60s');
  });

  it('takes yesterday from midnight to midnight, however long it was', () => {
    expect(stretchOf('yesterday', null, NOW, utcMidnight)).toEqual({
      window: '86400s',
      until: '2026-03-10T00:00:00Z',
    });
    const zone = new ZoneState();
    zone.choose('Europe/Berlin');
    const sunday = Date.parse('2026-03-30T10:00:00Z'); // the clocks went forward on the 29th
    expect(stretchOf('yesterday', null, sunday, (at) => zone.midnight(at)).window).toBe('82800s');
  });

  it('reads durations', () => {
    expect([secondsOf('90d'), secondsOf('5m'), secondsOf('0m'), secondsOf('1.5h')]).toEqual([
      7_776_000,
      300,
      null,
      null,
    ]);
  });

  it('compares only with what is still kept', () => {
    expect(isComparable({ window: '45d', until: null }, NOW)).toBe(true);
    expect(isComparable({ window: '90d', until: null }, NOW)).toBe(false);
    expect(isComparable({ window: '30d', until: '2026-01-20T00:00:00Z' }, NOW)).toBe(false);
  });

  it('rounds what was chosen to the steps that are kept of its time', () => {
    const now = NOW / 1000;
    expect(chosenStretch(now - 3605, now - 1801, now)).toEqual({
      window: '31m',
      until: '2026-03-10T11:30:00Z',
    });
    const longAgo = chosenStretch(now - 5 * 86_400, now - 5 * 86_400 + 60, now);
    expect(longAgo).toEqual({ window: '60m', until: '2026-03-05T13:00:00Z' });
    expect(chosenStretch(now - 600, now + 60, now)).toEqual({ window: '10m', until: null });
  });

  it('asks for the window before in the same buckets where they are kept, a little shorter if need be', () => {
    const now = NOW / 1000;
    expect(stretchBefore(now - 86_400, 86_400, 300, now)).toEqual({
      window: '86100s',
      until: '2026-03-09T12:00:00Z',
      bucket: '5m',
    });
    expect(stretchBefore(now - 21_600, 21_600, 300, now).window).toBe('21600s');
    expect(stretchBefore(now - 86_520, 86_400, 300, now).window).toBe('86100s');
    expect(stretchBefore(now - 2 * 86_400, 86_400, 300, now).bucket).toBe('auto');
    expect(stretchBefore(now - 30 * 86_400, 30 * 86_400, 10_800, now).bucket).toBe('180m');
  });
});

describe('what the address asks', () => {
  it('asks for 24 hours by name, compared, without anything in it', () => {
    const asked = askedOf({});
    expect(asked).toMatchObject({ window: '24h', by: 'name', compare: true, filters: {} });
    expect(analyticsQuery(asked, NOW, utcMidnight)).toMatchObject({ group_by: 'name', compare: 'true' });
  });

  it('groups by what is filtered', () => {
    expect(askedOf({ queue: 'gpu' }).by).toBe('queue');
    expect(askedOf({ kind: 'vod' }).by).toBe('name');
  });

  it('says which two do not go together instead of asking', () => {
    expect(conflictOf(askedOf({ queue: 'gpu', name: 'a' }))).toEqual({ fields: ['name', 'queue'] });
    expect(conflictOf(askedOf({ queue: 'gpu', by: 'worker' }))).toEqual({ field: 'queue', by: 'worker' });
    expect(conflictOf(askedOf({ kind: 'vod', name: 'a*', by: 'source' }))).toBeNull();
    expect(groupsBy('kind')).toEqual(['name', 'kind', 'source']);
    expect(groupsBy('worker')).toEqual(['worker', 'source']);
  });

  it('is live while it ends now', () => {
    expect(['24h', 'today'].map((window) => isLive(askedOf({ window })))).toEqual([true, true]);
    expect(isLive(askedOf({ window: 'yesterday' }))).toBe(false);
    expect(isLive(askedOf({ until: '2026-03-10T00:00:00Z' }))).toBe(false);
  });

  it('asks for the window before up to where this one begins, and not at all when it was not compared', () => {
    const asked = askedOf({ name: 'a*', source: 's,t' });
    const data = answer({
      at: '2026-03-10T12:00:00Z',
      before: { start: '2026-03-10T04:00:00Z', end: '2026-03-10T08:00:00Z' },
      series: { bucket_seconds: 60 },
    });
    expect(beforeQuery(asked, data)).toEqual({
      ...{ window: '14400s', until: '2026-03-10T08:00:00Z', bucket: 'auto', series: 1, groups: 500 },
      ...{ group_by: 'name', name: ['a*'], source: ['s', 't'] },
    });
    expect(beforeQuery(asked, answer({ ...data, before: null }))).toBeNull();
  });

  it('does not compare with what is not kept', () => {
    expect(analyticsQuery(askedOf({ window: '90d' }), NOW, utcMidnight).compare).toBeNull();
    expect(analyticsQuery(askedOf({ compare: 'off' }), NOW, utcMidnight).compare).toBeNull();
  });

  it('narrows to a group, but not to those that were not kept apart', () => {
    expect(narrowed('queue', 'gpu', null)).toEqual({ queue: 'gpu' });
    expect(narrowed('kind', 'vod', null)).toEqual({ kind: 'vod', by: 'name' });
    expect(narrowed('name', 'other', null)).toBeNull();
    expect(narrowed('name', 'other', 'other')).toEqual({ name: 'other' });
  });
});

const columns = (over: Partial<Series>): Series => {
  const none = [0, 0, 0];
  const counts = { succeeded: none, failed: none, retried: none, revoked: none, rejected: none, lost: none };
  const times = { runtime_p50: null, runtime_p95: null, runtime_p99: null, wait_p50: null };
  const rest = { runtime_mean: none, wait_mean: none, wait_p95: null, wait_p99: null };
  return { ...counts, ...times, ...rest, ...over };
};
const starts = ['2026-03-10T10:00:00Z', '2026-03-10T11:00:00Z', '2026-03-10T12:00:00Z'];

describe('series', () => {
  const total = columns({ succeeded: [8, null, 3], failed: [2, null, 0], retried: [1, null, 0] });

  it('has a rate where something ended, and a gap where nothing is kept', () => {
    expect(success(total)).toEqual([0.8, null, 1]);
    expect(success(columns({}))).toEqual([null, null, null]);
    expect(attempts(total)).toEqual([11, null, 3]);
  });

  it('leaves out outcomes that there were none of, except success and failure', () => {
    expect(outcomes(total)).toEqual(['succeeded', 'failed', 'retried']);
    expect(outcomes(columns({}))).toEqual(['succeeded', 'failed']);
  });

  it('lays the window before over this one, also from longer buckets', () => {
    const now = answer({
      series: { starts, bucket_seconds: 3600, total },
      before: { start: '2026-03-10T06:00:00Z', end: '2026-03-10T10:00:00Z' },
    });
    const earlier = columns({ succeeded: [10, 20] });
    const before = answer({
      start: '2026-03-10T06:00:00Z',
      series: {
        starts: ['2026-03-10T06:00:00Z', '2026-03-10T08:00:00Z'],
        bucket_seconds: 7200,
        total: earlier,
      },
    });
    expect(laidOver(now, before, attempts, true)).toEqual([5, 5, 10]);
    expect(laidOver(now, before, (series) => series.succeeded)).toEqual([10, 10, 20]);
    expect(laidOver(now, null, attempts)).toBeNull();
  });

  it('begins the axis of a rate below the lowest of them', () => {
    expect([[1, 0.993], [0.96], [0.8], [0.1, null], []].map((values) => rateFloor([values]))).toEqual([
      0.99, 0.95, 0.75, 0, 0.99,
    ]);
  });

  it('stacks bars, leaves lines alone, and paints high bars first', () => {
    const bar = (values: (number | null)[]): ChartSeries => ({
      label: '',
      tone: '',
      look: 'bars',
      values,
    });
    const series = [bar([1, 2, null]), bar([3, null, 4]), { label: '', tone: '', values: [9, 9, 9] }];
    expect(stacked(series)).toEqual([
      [1, 2, null],
      [4, null, 4],
      [9, 9, 9],
    ]);
    expect(painted(series)).toEqual([1, 0, 2]);
  });
});

describe('figures', () => {
  it('never rounds to all or nothing', () => {
    expect([1, 0, 0.999999, 0.98765, 0.5].map(percent)).toEqual([
      '100 %',
      '0 %',
      '99.99 %',
      '98.8 %',
      '50.0 %',
    ]);
  });

  it('says rates in the unit in which there is at least one', () => {
    expect([12.34, 0.5, 0.001, 0.00001, 0].map(rateIn)).toEqual([
      { value: '12.3', unit: 'second' },
      { value: '30.0', unit: 'minute' },
      { value: '3.6', unit: 'hour' },
      { value: '0.86', unit: 'day' },
      { value: '0', unit: 'day' },
    ]);
  });

  it('compares counts of stretches of different lengths as rates', () => {
    const of = (failed: number, seconds: number): { totals: AnalyticsTotals; seconds: number } => ({
      totals: { failed } as AnalyticsTotals,
      seconds,
    });
    const count = (totals: AnalyticsTotals): number => totals.failed;
    expect(countRatio(count, of(10, 100), of(10, 200))).toBe(2);
    expect(countRatio(count, of(10, 100), of(0, 200))).toBeNull();
    expect(countRatio(count, of(10, 100), null)).toBeNull();
    expect(points(0.912, 0.9)).toBe(1.2);
  });
});

describe('the table', () => {
  const group = (name: string, finished: number, success_rate: number | null): AnalyticsGroup =>
    ({ group: name, finished, success_rate, per_second: finished / 10 }) as AnalyticsGroup;
  const now = answer({
    groups: [group('a.big', 30, 0.5), group('b.mid', 20, null), group('c.low', 10, 1)],
  });
  const before = answer({ groups: [group('a.big', 15, 1), group('b.mid', 40, 1)] });
  const names = (search: string, sort: string): (string | null)[] =>
    rowsOf(now, before, search, sortOf(sort)).map((row) => row.group.group);

  it('sorts, and puts what is not known last either way', () => {
    expect(names('', '-success')).toEqual(['c.low', 'a.big', 'b.mid']);
    expect(names('', 'success')).toEqual(['a.big', 'c.low', 'b.mid']);
    expect(names('', 'nothing')).toEqual(['a.big', 'b.mid', 'c.low']);
    expect(names('B.', '-finished')).toEqual(['b.mid']);
  });

  it('says what changed, and what is new', () => {
    const rows = rowsOf(now, before, '', sortOf(null));
    expect(rows.map(({ change, fresh }) => [change, fresh])).toEqual([
      [2, false],
      [0.5, false],
      [null, true],
    ]);
  });

  it('sorts numbers from the largest first, names from a, and the other way at the second click', () => {
    expect(nextSort('failed', sortOf('-finished'))).toBe('-failed');
    expect(nextSort('failed', sortOf('-failed'))).toBe('failed');
    expect(nextSort('group', sortOf('-finished'))).toBe('group');
  });

  it('has no durations of workers', () => {
    expect(columnIds(answer({ group_by: 'worker', change: {} }))).toEqual([
      ...['group', 'finished', 'failed', 'success', 'rate', 'share', 'change'],
    ]);
  });

  it('names each of the slowest once, with its group', () => {
    const example = (id: string, seconds: number | null): object => ({
      id,
      source: 's',
      ended_at: 't',
      seconds,
    });
    const found = slowestOf(
      answer({
        groups: [{ group: 'a', kind: null, slowest: [example('1', 3), example('2', null)] }],
        slowest: [example('3', 9), example('1', 3)],
      }),
    );
    expect(found.map((each) => [each.example.id, each.group])).toEqual([
      ['3', null],
      ['1', 'a'],
    ]);
  });
});

describe('names and axes', () => {
  it('shortens names to what tells them apart', () => {
    expect([...shortNames(['app.a.run', 'app.b.run', 'app.clean']).values()]).toEqual([
      'app.a.run',
      'app.b.run',
      'clean',
    ]);
  });

  it('has an axis of decades around all durations', () => {
    const row = { durations: { p50: 0.02, p95: 0.5, p99: 30, mean: 1 } } as never;
    const axis = decades([row]);
    expect(axis.map((tick) => Number(tick.toPrecision(3)))).toEqual([0.01, 0.1, 1, 10, 100]);
    expect(placeOn(axis, 1)).toBeCloseTo(0.5);
    expect(placeOn(axis, 1e6)).toBe(1);
  });

  it('reads a clock on the wall of a zone, on both sides of a change of the clocks', () => {
    const zone = new ZoneState();
    zone.choose('Europe/Berlin');
    for (const text of ['2026-03-29T01:30', '2026-03-29T03:30', '2026-07-01T12:00', '2026-12-01T00:00']) {
      const at = momentOf(zone, text);
      expect(at === null ? null : wallText(zone, at)).toBe(text);
    }
    expect(momentOf(zone, 'soon')).toBeNull();
  });
});
