import { describe, expect, it } from 'vitest';
import { Seats } from '../../src/lib/seats';

describe('seats', () => {
  it('stay with the rows that stay, wherever these go', () => {
    const seats = new Seats();
    seats.take(['a', 'b', 'c']);
    expect([...seats.take(['c', 'a', 'b'])]).toEqual([
      ['c', 2],
      ['a', 0],
      ['b', 1],
    ]);
  });

  it('of rows that left are given to newcomers in order, so that nothing moves', () => {
    const seats = new Seats();
    seats.take(['run', 'a', 'b', 'c']);
    expect([...seats.take(['run', 'd', 'e', 'f']).values()]).toEqual([0, 1, 2, 3]);
  });

  it('are made when there are more rows, and never given twice', () => {
    const seats = new Seats();
    seats.take(['a', 'b']);
    seats.take(['a']);
    const taken = [...seats.take(['c', 'a', 'd']).values()];
    expect(new Set(taken).size).toBe(3);
  });
});
