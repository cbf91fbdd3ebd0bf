import { describe, expect, it } from 'vitest';
import {
  barsOf,
  beginOf,
  momentsOf,
  nearest,
  painted,
  pathsOf,
  scaleOf,
  stacked,
  ticksOf,
  type ChartSeries,
} from '../../src/components/chart';
import { ZoneState } from '../../src/lib/zone.svelte';

const line = (values: (number | null)[]): ChartSeries => ({ label: 'a', tone: 'series-1', values });
const quiet = (length: number): null[] => Array.from({ length }, () => null);

describe('where a chart begins', () => {
  it('is just before the first value when most of the window is empty', () => {
    expect(beginOf([line([...quiet(40), ...Array.from({ length: 20 }, () => 3)])], 60)).toBe(39);
  });

  it('leaves room for some buckets when there is one value alone', () => {
    expect(beginOf([line([...quiet(59), 3])], 60)).toBe(48);
  });

  it('is the start of the window when half of it has values, or none', () => {
    expect(beginOf([line([...quiet(20), ...Array.from({ length: 40 }, () => 3)])], 60)).toBe(0);
    expect(beginOf([line(quiet(60))], 60)).toBe(0);
  });

  it('takes the earliest of all series, the compared one too', () => {
    expect(beginOf([line([...quiet(59), 3]), line([1, ...quiet(59)])], 60)).toBe(0);
  });
});

const TIMES = [0, 60, 120, 180];
const FRAME = { width: 272, height: 130, step: 60, range: undefined };

describe('what a chart draws', () => {
  const scale = scaleOf(TIMES, [[1, 2, null, 50]], { ...FRAME, range: [0, 100] });

  it('leaves room for both axes, and the last bucket as much as the others', () => {
    expect([scale.x(0), scale.x(240)]).toEqual([scale.left, scale.right]);
    expect([scale.y(0), scale.y(100)]).toEqual([scale.bottom, scale.top]);
    expect(scale.time(scale.x(90))).toBeCloseTo(90);
  });

  it('begins at zero and ends a little above the largest value, at one where there is none', () => {
    expect(scaleOf(TIMES, [[50]], FRAME)).toMatchObject({ low: 0, high: 54 });
    expect(scaleOf(TIMES, [[null]], FRAME)).toMatchObject({ low: 0, high: 1 });
  });

  it('leaves gaps in lines, and draws what stands alone as a dot', () => {
    const { line, area, dots } = pathsOf(TIMES, [0, 100, null, 50], scale);
    expect(line).toBe('M52.0 106.0L102.0 6.0M202.0 56.0');
    expect(area).toBe('M52.0 106.0L52.0 106.0L102.0 6.0L102.0 106.0zM202.0 106.0L202.0 56.0L202.0 106.0z');
    expect(dots).toBe('M202.0 56.0h0');
  });

  it('draws a bar from its time to the next, and none for zero', () => {
    expect(barsOf(TIMES, [0, 100, null, null], scale)).toBe('M102 106V6.0H151V106z');
  });

  it('stands bars on each other, and paints the highest first', () => {
    const bars = (label: string, values: number[]): ChartSeries => ({
      label,
      tone: 'a',
      look: 'bars',
      values,
    });
    const series = [bars('a', [1, 2]), bars('b', [3, 4]), line([5, 5])];
    expect(stacked(series)).toEqual([
      [1, 2],
      [4, 6],
      [5, 5],
    ]);
    expect(painted(series)).toEqual([1, 0, 2]);
  });

  it('has round ticks', () => {
    expect(ticksOf(scale)).toEqual([0, 50, 100]);
    expect(ticksOf({ ...scale, low: 0, high: 0.3 })).toEqual([0, 0.2]);
    expect(ticksOf({ ...scale, low: 0.9, high: 1 })).toEqual([0.9, 0.95, 1]);
  });

  it('has round moments of the zone, and says the day where it begins', () => {
    const zone = new ZoneState();
    zone.choose('Asia/Kolkata');
    const begin = Date.parse('2026-11-23T17:10:00Z') / 1000; // 22:40 there
    const wide = scaleOf([begin, begin + 4 * 3600], [], { ...FRAME, width: 472, step: 0 });
    expect(momentsOf(wide, zone).map(({ text }) => text)).toEqual(['23:00', '24 Nov', '01:00', '02:00']);
  });

  it('knows which time is nearest', () => {
    expect([nearest(TIMES, 80), nearest(TIMES, 95), nearest([], 5)]).toEqual([1, 2, null]);
  });
});
