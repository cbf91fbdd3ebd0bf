import { describe, expect, test } from 'vitest';
import { kindName, sentence, whyUnknown } from '../../src/lib/reasons';
import { polyline, Series, SPAN_MS } from '../../src/lib/series';
import { Skew } from '../../src/lib/skew';
import { statesOf } from '../../src/lib/states';
import { runtime, wait } from '../../src/lib/timing';
import { task } from './samples';

const START = Date.parse('2026-11-23T21:00:00Z');

describe('a series', () => {
  test('keeps one sample each two seconds, for five minutes', () => {
    const series = new Series();
    for (let at = START; at <= START + 2 * SPAN_MS; at += 500) series.add('depth', at, at);
    const samples = series.at('depth', START + 2 * SPAN_MS);
    expect(samples.length).toBe(SPAN_MS / 2000 + 1);
    expect(samples[0]?.at).toBeGreaterThanOrEqual(START + SPAN_MS);
  });

  test('is drawn inside its box, up to now', () => {
    const points = polyline(
      [
        { at: START, value: 0 },
        { at: START + 4000, value: 9 },
      ],
      START + 20_000,
      60,
      20,
    )
      .split(' ')
      .map((point) => point.split(',').map(Number));
    expect(points.every(([x = -1, y = -1]) => x >= 0 && x <= 60 && y >= 0 && y <= 20)).toBe(true);
    expect(points.at(-1)).toEqual([60, 1]);
    expect(polyline([], START, 60, 20)).toBe('');
  });
});

describe('clocks', () => {
  test('that agree make the whole difference lag', () => {
    const skew = new Skew();
    expect(skew.measure(START, START + 40)).toBe(40);
    expect(skew.offset).toBe(0);
  });

  test('that differ are told apart from lag by the fastest message', () => {
    const skew = new Skew();
    skew.measure(START, START + 60_020);
    expect(skew.measure(START, START + 60_200)).toBe(180);
    expect(skew.offset).toBe(60_020);
  });

  test('that are behind make no negative lag', () => {
    expect(new Skew().measure(START, START - 300)).toBe(0);
  });
});

describe('wait and runtime', () => {
  const now = START + 10_000;
  const at = (seconds: number): string => new Date(START + seconds * 1000).toISOString();

  test('go on while a task waits or runs', () => {
    expect(runtime(task('a', { state: 'running', started_at: at(4) }), now)).toEqual({
      seconds: 6,
      open: true,
    });
    expect(wait(task('a', { sent_at: at(3) }), now)).toEqual({ seconds: 7, open: true });
  });

  test('stand still when it is over', () => {
    const done = task('a', { state: 'succeeded', runtime_seconds: 2, wait_seconds: 1, started_at: at(0) });
    expect([runtime(done, now), wait(done, now)]).toEqual([
      { seconds: 2, open: false },
      { seconds: 1, open: false },
    ]);
  });

  test('are unknown, not zero, without the times', () => {
    expect([runtime(task('a', { state: 'running' }), now), wait(task('a'), now)]).toEqual([null, null]);
  });

  test('do not count the time before a planned start as waiting', () => {
    expect(wait(task('a', { sent_at: at(0), eta_at: at(60) }), now)).toBeNull();
    expect(wait(task('a', { sent_at: at(0), eta_at: at(9) }), now)?.seconds).toBe(1);
  });
});

describe('words', () => {
  test('stand for codes', () => {
    expect(sentence('rate_limited')).toBe('Rate limited');
    expect(sentence('needs the agent')).toBe('Needs the agent');
    expect(kindName('vod')).toBe('VOD');
    expect(kindName('transcription')).toBe('Transcription');
    expect(whyUnknown({ queue: 'not seen' }, 'queue')).toBe('Not seen');
  });

  test('of a chip stand for its states', () => {
    expect(statesOf(['queued', 'retrying'])).toEqual(['queued', 'scheduled', 'deferred', 'retrying']);
    expect(statesOf([])).toEqual([]);
    expect(statesOf(['nonsense'])).toEqual([]);
  });
});
