import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatSort, LIVE, parseSort, sorted, type Sort, type SortField } from '../../src/lib/order';
import type { Task } from '../../src/lib/protocol';
import { task } from './samples';

const at = fc.option(fc.integer({ min: 0, max: 5 }).map((second) => `2026-11-23T21:00:0${second}.000Z`));
const number = fc.option(fc.integer({ min: 0, max: 3 }));
const tasks = fc.uniqueArray(
  fc
    .record({
      id: fc.string({ minLength: 1 }),
      at,
      number,
      running: fc.boolean(),
      name: fc.option(fc.string()),
    })
    .map(({ id, at, number, running, name }) =>
      task(id, {
        ...{ updated_at: at, started_at: at, wait_seconds: number, runtime_seconds: number, name },
        ...{ group: running ? 'active' : 'queued', retries: number ?? 0 },
      }),
    ),
  { selector: (each) => each.key },
);
const FIELDS: SortField[] = ['live', 'updated_at', 'name', 'wait_seconds', 'runtime_seconds', 'retries'];
const sorts: fc.Arbitrary<Sort> = fc
  .record({ field: fc.constantFrom(...FIELDS), descending: fc.boolean() })
  .map((sort) => (sort.field === 'live' ? LIVE : sort));
const keys = (list: Task[]): string[] => list.map((each) => each.key);

describe('the order of rows', () => {
  test('does not depend on the order in which they came', () => {
    fc.assert(
      fc.property(tasks, sorts, fc.infiniteStream(fc.nat()), (list, sort, random) => {
        const shuffled = list
          .map((each) => [random.next().value, each] as const)
          .toSorted((a, b) => a[0] - b[0])
          .map(([, each]) => each);
        expect(keys(sorted(shuffled, sort))).toEqual(keys(sorted(list, sort)));
      }),
    );
  });

  test('keeps every row and changes none', () => {
    fc.assert(
      fc.property(tasks, sorts, (list, sort) => {
        const before = keys(list);
        expect(new Set(sorted(list, sort))).toEqual(new Set(list));
        expect(keys(list)).toEqual(before);
      }),
    );
  });

  test('puts what is unknown last in both directions', () => {
    const list = [
      task('a', { wait_seconds: null }),
      task('b', { wait_seconds: 2 }),
      task('c', { wait_seconds: 1 }),
    ];
    expect(keys(sorted(list, { field: 'wait_seconds', descending: false }))).toEqual(['s/c', 's/b', 's/a']);
    expect(keys(sorted(list, { field: 'wait_seconds', descending: true }))).toEqual(['s/b', 's/c', 's/a']);
  });

  test('shows running tasks first, where progress does not move them, then the newest', () => {
    const when = (second: number): string => `2026-11-23T21:00:0${second}.000Z`;
    const list = [
      task('old', { updated_at: when(1) }),
      task('new', { updated_at: when(9) }),
      task('first', { group: 'active', started_at: when(2), updated_at: when(8) }),
      task('second', { group: 'active', started_at: when(3), updated_at: when(4) }),
    ];
    expect(keys(sorted(list, LIVE))).toEqual(['s/second', 's/first', 's/new', 's/old']);
  });

  test('survives its way through the address', () => {
    fc.assert(
      fc.property(sorts, (sort) => {
        expect(parseSort(formatSort(sort))).toEqual(sort);
      }),
    );
    expect(parseSort('-nonsense')).toEqual(LIVE);
    expect(parseSort(null)).toEqual(LIVE);
  });
});
