import { describe, expect, test } from 'vitest';
import { hold, RowMaker, view as viewOf, type Held, type View } from '../../src/lib/hold';
import type { Task } from '../../src/lib/protocol';
import { task } from './samples';

const [a, b, c] = [task('a'), task('b'), task('c')];
const make = new RowMaker();
const view = (tasks: Task[], held: Held | null): View => viewOf(tasks, held, make);
const ids = (rows: { task: { id: string } }[]): string => rows.map((row) => row.task.id).join('');

describe('held rows', () => {
  test('follow the window while nobody reads', () => {
    expect(ids(view([c, a], null).rows)).toBe('ca');
  });

  test('are the same objects as long as their tasks are', () => {
    expect(view([b, a], null).rows[1]).toBe(view([a], null).rows[0]);
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
