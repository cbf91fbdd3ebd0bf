import { describe, expect, test } from 'vitest';
import { hold, view } from '../../src/lib/hold';
import { task } from './samples';

const [a, b, c] = [task('a'), task('b'), task('c')];
const ids = (rows: { task: { id: string } }[]): string => rows.map((row) => row.task.id).join('');

describe('held rows', () => {
  test('follow the window while nobody reads', () => {
    expect(ids(view([c, a], null).rows)).toBe('ca');
  });

  test('keep their place and count what is new', () => {
    const held = hold([a, b], false);
    const shown = view([c, b, a], held);
    expect([ids(shown.rows), shown.fresh]).toEqual(['ab', 1]);
  });

  test('show new contents in place', () => {
    const held = hold([a, b], false);
    expect(view([task('a', { state: 'running' }), b], held).rows[0]?.task.state).toBe('running');
  });

  test('stay, marked, with what was known last when they leave the window', () => {
    const held = hold([a, b], false);
    view([task('a', { state: 'running' }), b], held);
    const [first, second] = view([b], held).rows;
    expect([first?.gone, first?.task.state, second?.gone]).toEqual([true, 'running', false]);
  });

  test('do not change at all when paused', () => {
    const held = hold([a], true);
    const shown = view([task('a', { state: 'failed' }), b], held);
    expect([shown.rows[0]?.task.state, shown.rows[0]?.gone, shown.fresh]).toEqual(['queued', false, 1]);
  });
});
