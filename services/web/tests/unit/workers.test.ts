import { describe, expect, it } from 'vitest';
import { areaPath } from '../../src/fleet/area';
import { ended, perMinute, rate, wrong } from '../../src/fleet/counts';
import { behind } from '../../src/fleet/freshness';
import { inPlace, parseSorting } from '../../src/fleet/held';
import { limitOf } from '../../src/fleet/limit';
import type { Series, Source, Worker } from '../../src/lib/protocol';
import { among, inStates, ordered, SORTS, totalsOf } from '../../src/pages/workers/fleet';
import { sourcesOf } from '../../src/pages/workers/hour';
import { worker } from './fleet-samples';

const named = (all: readonly Worker[]): string[] => all.map(({ name }) => name);
const ALL = { source: null, states: [], queue: null, words: null };

describe('the list of workers', () => {
  const list = [
    worker('a', { active: 1 }),
    worker('b', { state: 'offline', active: null }),
    worker('c', { state: 'lost', queues: null }),
    worker('d', { state: 'silent', active: 4, source: 't', key: 't/d' }),
  ];

  it('begins with those that are lost, then the silent ones', () => {
    const sorting = parseSorting(null, SORTS);
    expect(named(ordered(list, sorting, new Map()))).toEqual(['c', 'd', 'a', 'b']);
  });

  it('is ordered by the share of busy slots, what is unknown last', () => {
    const sorting = parseSorting('-busy', SORTS);
    expect(named(ordered(list, sorting, new Map()))).toEqual(['d', 'a', 'c', 'b']);
  });

  it('is ordered by what ended in the last hour', () => {
    const hours = new Map([
      ['s/a', { finished: 2, failed: 0, ended: null, wrong: null }],
      ['s/b', { finished: 9, failed: 0, ended: null, wrong: null }],
    ]);
    expect(named(ordered(list, parseSorting('-ended', SORTS), hours))).toEqual(['b', 'a', 'c', 'd']);
  });

  it('is narrowed by words, queue, source and state', () => {
    expect(named(among(list, { ...ALL, words: 'PREFORK t' }))).toEqual(['d']);
    expect(named(among(list, { ...ALL, queue: 'vod', source: 's' }))).toEqual(['a', 'b']);
    expect(named(inStates(list, ['lost', 'silent']))).toEqual(['c', 'd']);
    expect(inStates(list, [])).toHaveLength(4);
  });

  it('counts the slots of those that are there', () => {
    const totals = totalsOf([...list, worker('e', { concurrency: null, events: false })]);
    expect(totals).toMatchObject({ busy: 5, slots: 8, uncounted: 1, silentEvents: 1 });
    expect(totals.states).toEqual({ online: 2, silent: 1, offline: 1, lost: 1 });
  });

  it('asks each source for itself, since names may repeat', () => {
    expect(sourcesOf(list, null)).toEqual(['s', 't']);
    expect(sourcesOf(list, 't')).toEqual(['t']);
  });
});

describe('rows under the pointer', () => {
  const rows = ['a', 'b', 'c'].map((key) => ({ key }));

  it('keep their places; what is new comes behind them', () => {
    expect(inPlace(rows, ['c', 'gone', 'a']).map(({ key }) => key)).toEqual(['c', 'a', 'b']);
    expect(inPlace(rows, null)).toEqual(rows);
  });
});

describe('addresses', () => {
  it('hold an order, and a number of rows within bounds', () => {
    expect(parseSorting('-load', SORTS)).toEqual({ field: 'load', descending: true });
    expect(parseSorting('nonsense', SORTS).field).toBe('state');
    expect([null, '300', '-1', 'x', '999999'].map(limitOf)).toEqual([100, 300, 100, 100, 2000]);
  });
});

const none = { runtime_mean: [], runtime_p50: null, runtime_p95: null, runtime_p99: null };
const columns: Series = {
  ...{ succeeded: [4, null, 0], failed: [1, null, 2], retried: [9, null, 9], revoked: [0, null, 0] },
  ...{ rejected: [0, null, 0], lost: [1, null, 0], ...none },
  ...{ wait_mean: [], wait_p50: null, wait_p95: null, wait_p99: null },
};

describe('what ended', () => {
  it('is all but retries; what is not kept is a gap', () => {
    expect(ended(columns)).toEqual([6, null, 2]);
    expect(wrong(columns)).toEqual([2, null, 2]);
  });

  it('is a rate; of the last bucket as far as it went, and none when it has just begun', () => {
    expect(perMinute([10, 10, 10], [0, 300, 600], 300, 660)).toEqual([2, 2, 10]);
    expect(perMinute([10, 1], [0, 300], 300, 305)).toEqual([2, null]);
  });

  it('has as many digits as it needs', () => {
    expect([0, 0.034, 1.25, 4, 42.4].map(rate)).toEqual(['0', '0.03', '1.3', '4', '42']);
  });
});

describe('a small area', () => {
  it('has a gap where nothing is known', () => {
    expect(areaPath([1, null, 2], 30, 10)).toBe('M0.0 10V5.0H10.0V10zM20.0 10V1.0H30.0V10z');
    expect(areaPath([], 30, 10)).toBe('');
  });
});

describe('figures of a source that cannot be read', () => {
  it('are as of when they were told last', () => {
    const source = { name: 's', status: 'down', stale: null, reason: 'gone', since: null } as Source;
    expect(behind([source], 's', 5)).toEqual({ at: 5, why: 'gone' });
    expect(behind([{ ...source, status: 'up' }], 's', 5)).toBeNull();
    expect(behind([], 's', 5)).toBeNull();
  });
});
