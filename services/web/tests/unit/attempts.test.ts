import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TaskDetail } from '../../src/lib/protocol';
import { axisOf, rowsOf, ticksOf, type Stretch } from '../../src/task/attempts';
import { at, attempt, BEGIN, detail } from './detail';

const midnight = (time: number): number => Math.floor(time / 86_400_000) * 86_400_000;

/** `queued 0–2` in seconds; `+` goes on, `?` is planned. */
function words({ phase, from, to, open, planned }: Stretch): string {
  const seconds = (time: number): number => (time - BEGIN) / 1000;
  return `${phase} ${seconds(from)}–${seconds(to)}${open ? '+' : ''}${planned ? '?' : ''}`;
}

function drawn(fields: Partial<TaskDetail>, now: number): string[][] {
  return rowsOf(detail(fields), BEGIN + now * 1000).map(({ stretches }) => stretches.map(words));
}

describe('an attempt', () => {
  const times = { queued_at: at(0), received_at: at(2), started_at: at(3) };

  test('is queued, reserved and running, and grows while it runs', () => {
    expect(drawn({ state: 'running', group: 'active', attempt: attempt(1, times) }, 10)).toEqual([
      ['queued 0–2', 'reserved 2–3', 'running 3–10+'],
    ]);
  });

  test('stands still when it has ended', () => {
    const ended = attempt(1, { ...times, state: 'failed', finished_at: at(3.005) });
    expect(drawn({ state: 'failed', group: 'finished', attempt: ended }, 99)).toEqual([
      ['queued 0–2', 'reserved 2–3', 'running 3–3.005'],
    ]);
  });

  test('whose end nobody told has a beginning alone', () => {
    const lost = attempt(1, { state: 'lost', started_at: at(3) });
    expect(drawn({ state: 'lost', group: 'finished', attempt: lost }, 99)).toEqual([['running 3–3']]);
  });

  test('never goes back in time where clocks differ', () => {
    const skewed = attempt(1, {
      queued_at: at(1),
      received_at: at(0.998),
      started_at: at(2),
      finished_at: at(3),
    });
    expect(drawn({ state: 'failed', group: 'finished', attempt: skewed }, 9)).toEqual([
      ['reserved 1–2', 'running 2–3'],
    ]);
  });

  test('waits for its planned time, then for a worker', () => {
    const planned = attempt(1, {
      queued_at: at(0),
      received_at: at(1),
      started_at: at(7),
      finished_at: at(8),
    });
    expect(drawn({ state: 'succeeded', group: 'finished', eta_at: at(5), attempt: planned }, 9)).toEqual([
      ['scheduled 0–1', 'scheduled 1–5', 'reserved 5–7', 'running 7–8'],
    ]);
  });
});

describe('a task that waits', () => {
  test('in its queue has a row that grows', () => {
    expect(drawn({ sent_at: at(0) }, 4)).toEqual([['queued 0–4+']]);
  });

  test('for its time shows when that is', () => {
    expect(drawn({ state: 'scheduled', sent_at: at(0), eta_at: at(10) }, 4)).toEqual([
      ['scheduled 0–4+', 'scheduled 4–10?'],
    ]);
    expect(drawn({ state: 'scheduled', eta_at: at(10) }, 4)).toEqual([['scheduled 4–10?']]);
  });

  test('for its next attempt shows the pause since the last', () => {
    const failed = attempt(1, { state: 'retrying', started_at: at(1), finished_at: at(2) });
    expect(drawn({ state: 'retrying', attempt: failed, eta_at: at(9) }, 5)).toEqual([
      ['running 1–2'],
      ['scheduled 2–5+', 'scheduled 5–9?'],
    ]);
    expect(drawn({ state: 'retrying', attempt: failed }, 5)).toEqual([['running 1–2'], ['pause 2–5+']]);
  });

  test('of which no time is known has a row and no axis', () => {
    const rows = rowsOf(detail(), BEGIN);
    expect([rows.length, axisOf(rows)]).toEqual([1, null]);
  });
});

test('between attempts is a pause, unless the next was put into its queue before', () => {
  const first = attempt(1, { state: 'retrying', started_at: at(1), finished_at: at(2) });
  const second = attempt(2, { state: 'succeeded', queued_at: at(5), started_at: at(6), finished_at: at(7) });
  const fields: Partial<TaskDetail> = { state: 'succeeded', group: 'finished', history: [first] };
  expect(drawn({ ...fields, attempt: second }, 9)[1]).toEqual(['pause 2–5', 'queued 5–6', 'running 6–7']);
  const early = { ...second, queued_at: at(1.9) };
  expect(drawn({ ...fields, attempt: early }, 9)[1]).toEqual(['queued 2–6', 'running 6–7']);
});

describe('the axis', () => {
  test('of 5 ms is 5 ms long, with ticks of milliseconds', () => {
    const short = attempt(1, { state: 'succeeded', started_at: at(0), finished_at: at(0.005) });
    const axis = axisOf(rowsOf(detail({ state: 'succeeded', group: 'finished', attempt: short }), BEGIN));
    expect(axis).toEqual({ from: BEGIN, to: BEGIN + 5 });
    expect(ticksOf(axis ?? { from: 0, to: 0 }, 5, midnight)).toEqual({
      relative: true,
      step: 1,
      at: [0, 1, 2, 3, 4, 5].map((ms) => BEGIN + ms),
    });
  });

  test('of two days has ticks at round hours', () => {
    const { relative, step, at: ticks } = ticksOf({ from: BEGIN, to: BEGIN + 2 * 86_400_000 }, 5, midnight);
    expect([relative, step / 3_600_000, ticks.map((time) => new Date(time).getUTCHours())]).toEqual([
      false,
      12,
      [0, 12, 0, 12],
    ]);
  });

  test('has few ticks on it, whatever its length', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1, max: 1e12, noNaN: true }),
        fc.integer({ min: 2, max: 8 }),
        (length, most) => {
          const { at: ticks } = ticksOf({ from: BEGIN, to: BEGIN + length }, most, midnight);
          expect(ticks.length).toBeLessThanOrEqual(most + 1);
          expect(ticks.every((time) => time >= BEGIN && time <= BEGIN + length)).toBe(true);
        },
      ),
    );
  });
});
