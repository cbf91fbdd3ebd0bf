import { describe, expect, it } from 'vitest';
import type { Drain, Queue, Source, Worker } from '../../src/lib/protocol';
import { withConsumers } from '../../src/pages/queues/consumers';
import { noteOn } from '../../src/pages/queues/order';
import { history, lastHour, outlookOf, recent, roughly } from '../../src/pages/queues/outlook';
import { partsOf } from '../../src/pages/queues/parts';
import { byName } from '../../src/pages/queues/runtimes';
import { matching, ordered, totalsOf, views, type QueueView } from '../../src/pages/queues/shown';
import { counted, drain, NOW, queue, worker } from './fleet-samples';
import { task } from './samples';

const outlook = (fields: Partial<Queue>, told?: Partial<Drain>): ReturnType<typeof outlookOf> =>
  outlookOf(queue('q', fields), told === undefined ? undefined : drain(told), NOW);

describe('what becomes of a queue', () => {
  it('is empty', () => {
    expect(outlook({ depth: 0 }, { net_drain_seconds: 0 })).toEqual({ is: 'empty' });
  });

  it('is never empty while nobody takes from it', () => {
    expect(outlook({ depth: 3, consumers: 0 }, { net_drain_seconds: 60, depth: 3 }).is).toBe('unserved');
  });

  it('is empty when its fall comes to its end', () => {
    expect(outlook({ depth: 60 }, { depth: 60, net_drain_seconds: 600, grows: false })).toEqual({
      ...{ is: 'drains', at: NOW + 600_000, perMinute: 6, minutes: 15 },
    });
  });

  it('falls since a burst, though it is deeper than a quarter of an hour ago', () => {
    const burst = counted(0, 0, 0, 0, 100, 98, 96, 94, 92, 90);
    expect(outlook(burst, { depth: 90, grows: true, finished_per_second: 0.1 })).toEqual({
      ...{ is: 'drains', at: NOW + 45 * 60_000, perMinute: 2, minutes: 5 },
    });
  });

  it('grows by what it grew in the last quarter of an hour', () => {
    const grown = counted(10, 20, 30, 40, 50);
    expect(outlook(grown, { depth: 50, grows: true, finished_per_second: 0.1 })).toEqual({
      ...{ is: 'grows', perMinute: 10, alone: NOW + 500_000 },
    });
  });

  it('keeps up where what waits is worked off at once, though it grew by a message', () => {
    expect(outlook({ depth: 2 }, { grows: true, finished_per_second: 1 })).toEqual({
      is: 'keepsUp',
      seconds: 2,
    });
  });

  it('says when it were empty if nothing more came, while it is not known what comes', () => {
    expect(outlook({ depth: 120 }, { finished_per_second: 1 })).toEqual({
      is: 'drainsAlone',
      at: NOW + 120_000,
    });
  });

  it('is steady while as much comes as leaves', () => {
    expect(outlook({ depth: 600 }, { grows: false, finished_per_second: 1 }).is).toBe('steady');
  });

  it('says why nothing is known', () => {
    const told = { depth: null, reason: 'its broker does not tell the depth' };
    expect(outlook({ depth: null }, told)).toEqual({ is: 'unknown', why: told.reason });
    expect(outlook({ depth: 9 }, { reason: 'nothing ended' })).toEqual({
      is: 'unknown',
      why: 'nothing ended',
    });
    expect(outlook({ depth: 9 })).toEqual({ is: 'unknown', why: '' });
  });
});

describe('the history of depths', () => {
  it('has a time for each minute', () => {
    const { times, depths } = history(queue('q', counted(1, null, 3)));
    expect(times.slice(57)).toEqual([NOW / 1000 - 120, NOW / 1000 - 60, NOW / 1000]);
    expect(depths.slice(57)).toEqual([1, null, 3]);
    expect(times).toHaveLength(depths.length);
    expect(history(queue('q')).times).toEqual([]);
  });

  it('is always an hour long, with gaps where nothing is known', () => {
    const values = lastHour(queue('q', counted(1, 2)));
    expect(values).toHaveLength(60);
    expect(values.slice(57)).toEqual([null, 1, 2]);
  });

  it('tells of the last quarter of an hour, over three minutes at least', () => {
    const long = Array.from({ length: 30 }, (_, at) => at);
    expect(recent(queue('q', counted(...long)), NOW)).toEqual({ from: 14, to: 29, minutes: 15 });
    expect(recent(queue('q', counted(null, 8, 7, 6, 5)), NOW)).toEqual({ from: 8, to: 5, minutes: 3 });
    expect(recent(queue('q', counted(8, 7, 6)), NOW)).toBeNull();
  });
});

describe('moments ahead', () => {
  it('are the rougher, the farther they are', () => {
    const after = (minutes: number): number => (roughly(NOW + minutes * 60_000, NOW) - NOW) / 60_000;
    expect([7.4, 61, 363, 369].map(after)).toEqual([7, 60, 360, 375]);
  });
});

const named = (all: readonly QueueView[]): string[] => all.map((view) => view.queue.name);
const told = { drains: new Map<string, Drain>(), running: new Map([['s/b', 3]]), read: NOW };

describe('the list of queues', () => {
  const list = views(
    [
      queue('a', counted(1, 2, 3, 900)),
      queue('b'),
      queue('c', { depth: 4, consumers: 0 }),
      queue('d', { depth: 70 }),
    ],
    {
      ...told,
      drains: new Map([
        ['s/a', drain({ depth: 900, grows: true, finished_per_second: 1 })],
        ['s/d', drain({ depth: 70, net_drain_seconds: 90, grows: false })],
      ]),
    },
  );

  it('begins with those that nobody takes from, then those that grow', () => {
    expect(named(ordered(list, { field: 'attention', descending: false }))).toEqual(['c', 'a', 'b', 'd']);
  });

  it('is ordered by when they are empty', () => {
    expect(named(ordered(list, { field: 'empty', descending: true }))).toEqual(['a', 'c', 'd', 'b']);
  });

  it('is narrowed by words and by what becomes of them', () => {
    expect(named(matching(list, 'S/D', null))).toEqual(['d']);
    expect(named(matching(list, null, 'waiting'))).toEqual(['a', 'c', 'd']);
    expect(named(matching(list, null, 'unserved'))).toEqual(['c']);
    expect(matching(list, null, 'nonsense')).toHaveLength(4);
  });

  it('is summed up', () => {
    const totals = totalsOf(list);
    expect(totals.waiting).toBe(974);
    expect(totals.last?.queue.name).toBe('d');
    expect(named(totals.queues.grows)).toEqual(['a']);
  });

  it('knows what runs from the broker, or else from the tasks that are seen', () => {
    expect(list.map((view) => view.running)).toEqual([0, 3, 0, 0]);
    expect(views([queue('r', { running: 5 })], told)[0]?.running).toBe(5);
    expect(views([queue('b')], null)[0]?.running).toBeNull();
  });
});

describe('who takes from a queue', () => {
  const lost = worker('a', { state: 'lost', queues: ['q'] });
  const there = worker('b', { queues: ['q'] });
  const consumers = (count: number, workers: Worker[], transport = 'redis'): number | null => {
    const source = { name: 's', transport } as Source;
    return withConsumers(queue('q', { consumers: count }), workers, [source]).consumers;
  };

  it('are no lost workers', () => {
    expect(consumers(2, [lost, there])).toBe(1);
    expect(consumers(1, [lost, there])).toBe(1);
    expect(consumers(1, [lost])).toBe(0);
  });

  it('are counted by AMQP itself', () => {
    expect(consumers(2, [lost, there], 'amqp')).toBe(2);
  });
});

describe('where the tasks of a queue are', () => {
  it('leaves out what is unknown or none, and keeps failed ones apart', () => {
    const [parts] = views([queue('b', { depth: 2, failed: 7, scheduled: 0 })], told).map(partsOf);
    expect(parts?.ahead.map((part) => part.words)).toEqual(['2 waiting', '3 running']);
    expect(parts?.failed.map((part) => part.words)).toEqual(['7 failed']);
  });
});

describe('waiting tasks', () => {
  const page = (tasks: ReturnType<typeof task>[], total: number): Parameters<typeof noteOn>[1] => ({
    ...{ items: tasks, total, next_cursor: null, stale: false, offset: null },
  });

  it('are in an order where it is known when they were sent', () => {
    const sent = { sent_at: '2026-11-27T22:00:00Z' };
    expect(noteOn(2, page([task('1', sent), task('2', sent)], 2))).toContain('order of sending');
    expect(noteOn(2, page([task('1'), task('2')], 2))).toContain('not known');
  });

  it('may be fewer than the broker counts', () => {
    expect(noteOn(90, page([], 0))).toContain('90 messages wait, none of them known by name');
    expect(noteOn(3, page([task('1')], 1))).toBeNull();
  });
});

describe('runtimes', () => {
  it('have a median for each name, without those that are not known', () => {
    const rows = [3, 1, null, 9].map((runtime_seconds, at) => ({
      ...{ key: `s/${at}`, name: 'encode', state: at === 3 ? 'failed' : 'succeeded', runtime_seconds },
    }));
    expect(byName(rows as Parameters<typeof byName>[0])).toEqual([
      { key: 'encode', name: 'encode', ended: 4, failed: 1, median: 3, longest: 9 },
    ]);
  });
});
