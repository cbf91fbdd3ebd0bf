import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Task } from '../../src/lib/protocol';
import { Replica } from '../../src/lib/replica';
import { delta, snapshot, task } from './samples';

/** Windows that follow each other, as the server sees them: id → version. */
const windows = fc.array(fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.nat(3)), {
  minLength: 1,
});

function tasksOf(window: Record<string, number>): Task[] {
  return Object.entries(window).map(([id, version]) => task(id, { version: `1-${version}` }));
}

function difference(before: Record<string, number>, after: Record<string, number>): ReturnType<typeof delta> {
  const changed = Object.entries(after).filter(([id, version]) => before[id] !== version);
  const left = Object.keys(before).filter((id) => !(id in after));
  return delta(
    tasksOf(Object.fromEntries(changed)),
    left.map((id) => `s/${id}`),
  );
}

const held = (replica: Replica): Task[] =>
  [...replica.tasks.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1));
const expected = (window: Record<string, number>): Task[] =>
  tasksOf(window).toSorted((a, b) => (a.key < b.key ? -1 : 1));

describe('the replica', () => {
  test('holds the server’s window after a snapshot and any deltas', () => {
    fc.assert(
      fc.property(windows, (all) => {
        const replica = new Replica();
        replica.apply(snapshot(tasksOf(all[0] ?? {})));
        for (let index = 1; index < all.length; index += 1)
          replica.apply(difference(all[index - 1] ?? {}, all[index] ?? {}));
        expect(held(replica)).toEqual(expected(all.at(-1) ?? {}));
      }),
    );
  });

  test('is the same after a snapshot, whatever it held before', () => {
    fc.assert(
      fc.property(windows, windows, (before, after) => {
        const replica = new Replica();
        for (const window of [...before, ...after]) replica.apply(snapshot(tasksOf(window)));
        expect(held(replica)).toEqual(expected(after.at(-1) ?? {}));
      }),
    );
  });

  test('keeps a task that left the window and came back in one delta', () => {
    const replica = new Replica();
    replica.apply(snapshot([task('a')]));
    replica.apply(delta([task('a', { state: 'failed' })], ['s/a']));
    expect(replica.tasks.get('s/a')?.state).toBe('failed');
  });

  test('takes figures, position and staleness from every message', () => {
    const replica = new Replica();
    replica.apply(snapshot([], { position: 'first', total: 7 }));
    replica.apply(delta([], [], { position: 'second', total: 8, stale: true }));
    expect([replica.position, replica.total, replica.stale]).toEqual(['second', 8, true]);
  });

  test('leaves workers, queues and sources alone when a delta does not speak of them', () => {
    const replica = new Replica();
    const queue = { key: 's/celery', name: 'celery' } as never;
    replica.apply(snapshot([], { queues: [queue] }));
    replica.apply(delta([], []));
    expect([...replica.queues.keys()]).toEqual(['s/celery']);
    replica.apply(delta([], [], { queues: { upsert: [], remove: ['s/celery'], keys: null } }));
    expect(replica.queues.size).toBe(0);
  });

  test('goes on from any window when it is told all keys and what is new', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.nat(3)), windows, (held_, all) => {
        const replica = new Replica();
        replica.apply(snapshot(tasksOf(held_)));
        const now = all.at(-1) ?? {};
        const fresh = Object.entries(now).filter(([id, version]) => held_[id] !== version);
        const keys = Object.keys(now).map((id) => `s/${id}`);
        expect(replica.apply(delta(tasksOf(Object.fromEntries(fresh)), [], { keys }))).toBe(true);
        expect(held(replica)).toEqual(expected(now));
      }),
    );
  });

  test('forgets workers and queues that are not among all keys', () => {
    const replica = new Replica();
    const queues = ['s/one', 's/two'].map((key) => ({ key, name: key }) as never);
    replica.apply(snapshot([], { queues }));
    const left = { upsert: [{ key: 's/two', name: 'new' } as never], remove: [], keys: ['s/two'] };
    replica.apply(delta([], [], { keys: [], queues: left }));
    expect([...replica.queues.values()].map((queue) => queue.name)).toEqual(['new']);
  });

  test('says so when it is told of a task that it neither holds nor is given', () => {
    const replica = new Replica();
    replica.apply(snapshot([task('a')]));
    expect(replica.apply(delta([], [], { keys: ['s/a', 's/b'] }))).toBe(false);
    expect(replica.apply(snapshot([task('a'), task('b')]))).toBe(true);
  });
});
