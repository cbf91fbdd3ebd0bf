/** How long the tasks of a queue ran, name by name, from those that ended last. */
import type { TaskListOf } from '../../lib/protocol';
import { ascending } from '../../lib/order';

export const SAMPLE_FIELDS = ['key', 'name', 'state', 'runtime_seconds'] as const;
export type Sample = TaskListOf<(typeof SAMPLE_FIELDS)[number]>;

export interface NameRow {
  key: string;
  name: string | null;
  ended: number;
  failed: number;
  /** Seconds; null: of none it is known how long it ran. */
  median: number | null;
  longest: number | null;
}

/** Most frequent first. */
export function byName(tasks: Sample['items']): NameRow[] {
  const names = [...new Set(tasks.map((task) => task.name))];
  return names
    .map((name) =>
      rowOf(
        name,
        tasks.filter((task) => task.name === name),
      ),
    )
    .sort((a, b) => b.ended - a.ended || ascending(a.key, b.key));
}

function rowOf(name: string | null, tasks: Sample['items']): NameRow {
  const seconds = tasks.map((task) => task.runtime_seconds).filter((value) => value !== null);
  seconds.sort((a, b) => a - b);
  return {
    key: name ?? '',
    name,
    ended: tasks.length,
    failed: tasks.filter((task) => task.state === 'failed' || task.state === 'lost').length,
    median: seconds[Math.floor((seconds.length - 1) / 2)] ?? null,
    longest: seconds.at(-1) ?? null,
  };
}
