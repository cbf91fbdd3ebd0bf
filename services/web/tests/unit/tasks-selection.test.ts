import { expect, test } from 'vitest';
import { MOST_KEYS } from '../../src/pages/tasks/list.svelte';
import { Selection } from '../../src/pages/tasks/selection.svelte';

const keyOf = (row: number): string | null => (row < 200 ? `k${row}` : null);

test('with shift all rows from the last choice on are chosen, or none of them any more', () => {
  const selection = new Selection();
  selection.toggle(4, false, keyOf);
  selection.toggle(2, true, keyOf);
  expect(selection.keys.toSorted()).toEqual(['k2', 'k3', 'k4']);
  selection.toggle(3, true, keyOf);
  expect(selection.keys).toEqual(['k4']);
});

test('a box in the head chooses all in view, and none where all were', () => {
  const selection = new Selection();
  selection.toggleAll(['a', 'b']);
  selection.toggleAll(['a', 'b', 'c']);
  expect(selection.keys.length).toBe(3);
  selection.toggleAll(['a', 'b', 'c']);
  expect(selection.keys.length).toBe(0);
});

test('no more are chosen than the api takes at once, and those that came first stay', () => {
  const selection = new Selection();
  selection.toggle(0, false, keyOf);
  selection.toggle(199, true, keyOf);
  expect(selection.full).toBe(true);
  expect(selection.keys.slice(0, 2)).toEqual(['k0', 'k1']);
  expect(selection.keys.length).toBe(MOST_KEYS);
});
