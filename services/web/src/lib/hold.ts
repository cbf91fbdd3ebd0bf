/** Rows that keep their place while they are being read. */
import type { Task } from './protocol';

export interface Row {
  task: Task;
  /** It is in the window no more; what is shown is what was known last. */
  gone: boolean;
}

export interface Held {
  keys: string[];
  /** Last known task of each key. */
  last: Map<string, Task>;
  /** Not even contents change. */
  still: boolean;
}

export interface View {
  rows: Row[];
  /** Rows of the window that are not shown. */
  fresh: number;
}

export function hold(tasks: Task[], still: boolean): Held {
  return { keys: tasks.map((task) => task.key), last: new Map(tasks.map((task) => [task.key, task])), still };
}

/** The rows to show: the window's own, or, if they are held, the held ones with their newest contents. */
export function view(tasks: Task[], held: Held | null): View {
  if (held === null) return { rows: tasks.map((task) => ({ task, gone: false })), fresh: 0 };
  const live = new Map(tasks.map((task) => [task.key, task]));
  const rows = held.keys.flatMap((key) => {
    const now = live.get(key);
    if (now !== undefined && !held.still) held.last.set(key, now);
    const task = held.last.get(key);
    return task === undefined ? [] : [{ task, gone: now === undefined && !held.still }];
  });
  return { rows, fresh: tasks.filter((task) => !held.last.has(task.key)).length };
}
