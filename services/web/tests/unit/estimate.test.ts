import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Estimates, partDone, secondsLeft } from '../../src/lib/estimate';
import type { Progress, Task } from '../../src/lib/protocol';
import { task } from './samples';

const START = Date.parse('2026-11-23T21:00:00Z');
const at = (seconds: number): string => new Date(START + seconds * 1000).toISOString();

function progress(fields: Partial<Progress>): Progress {
  return { current: null, total: null, percent: null, message: null, at: null, ...fields };
}

function running(told: Partial<Progress>, fields: Partial<Task> = {}): Task {
  return task('1', { state: 'running', started_at: at(0), progress: progress(told), ...fields });
}

describe('the time that is left', () => {
  test('goes by the pace since the start', () => {
    expect(secondsLeft(running({ percent: 25, at: at(10) }), START + 10_000)).toBeCloseTo(30);
  });

  test('goes down between two reports, and never below nothing', () => {
    const told = running({ percent: 50, at: at(10) });
    expect(secondsLeft(told, START + 14_000)).toBeCloseTo(6);
    expect(secondsLeft(told, START + 22_000)).toBe(0);
  });

  test('prefers the task’s own numbers to its percentage', () => {
    const told = running({ current: 125, total: 1000, percent: 12, at: at(10) });
    expect(secondsLeft(told, START + 10_000)).toBeCloseTo(70);
  });

  test.each<[string, Task, number]>([
    ['does not run', running({ percent: 50, at: at(10) }, { state: 'succeeded' }), 10],
    ['said nothing', task('1', { state: 'running', started_at: at(0) }), 10],
    ['has no start', running({ percent: 50, at: at(10) }, { started_at: null }), 10],
    ['did not say when', running({ percent: 50 }), 10],
    ['has done nothing yet', running({ percent: 0, at: at(10) }), 10],
    ['has hardly begun', running({ percent: 50, at: at(0.2) }), 0.2],
    ['is done and has not ended', running({ percent: 100, at: at(10) }), 10],
    ['counts beyond its total', running({ current: 7, total: 5, at: at(10) }), 10],
    ['has no total', running({ current: 7, at: at(10) }), 10],
    ['fell silent', running({ percent: 50, at: at(10) }), 26],
    ['shows the progress of the attempt before', running({ percent: 50, at: at(-5) }), 1],
  ])('is unknown of a task that %s', (_, told, seconds) => {
    expect(secondsLeft(told, START + seconds * 1000)).toBeNull();
  });

  test('may be long: a slow task is not silent when it tells seldom', () => {
    expect(secondsLeft(running({ percent: 10, at: at(3600) }), START + 4_800_000)).toBeCloseTo(31_200);
  });

  test('is never negative nor endless', () => {
    const number = fc.double({ min: -10, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(number, number, number, number, (current, total, told, now) => {
        const left = secondsLeft(running({ current, total, at: at(told) }), START + now * 1000);
        expect(left === null || (left >= 0 && Number.isFinite(left))).toBe(true);
      }),
    );
  });
});

test('what is done is unknown without numbers, and with a total of nothing', () => {
  expect([
    partDone(null),
    partDone(progress({ current: 3 })),
    partDone(progress({ current: 3, total: 0 })),
  ]).toEqual([null, null, null]);
});

describe('of tasks that are watched', () => {
  test('one whose progress went back has no estimate until its next attempt', () => {
    const estimates = new Estimates();
    const told = (percent: number, start = 0): number | null =>
      estimates.secondsLeft(
        running({ percent, at: at(start + 10) }, { started_at: at(start) }),
        START + (start + 10) * 1000,
      );
    expect([told(50), told(20), told(80), told(50, 60)]).toEqual([10, null, null, 10]);
  });

  test('the oldest are forgotten', () => {
    const estimates = new Estimates(1);
    const told = (key: string, percent: number): number | null =>
      estimates.secondsLeft({ ...running({ percent, at: at(10) }), key }, START + 10_000);
    expect([told('a', 50), told('b', 50), told('a', 20)]).toEqual([10, 10, 40]);
  });
});
