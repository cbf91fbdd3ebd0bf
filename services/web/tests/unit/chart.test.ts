import { describe, expect, it } from 'vitest';
import { beginOf, type ChartSeries } from '../../src/components/chart';

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
