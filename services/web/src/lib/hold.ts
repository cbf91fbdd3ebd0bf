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

/** Makes rows, the same one for the same task, so that what did not change is not drawn anew. */
export class RowMaker {
  readonly #rows = new WeakMap<Task, Row>();

  of(task: Task, gone: boolean): Row {
    if (gone) return { task, gone };
    const known = this.#rows.get(task);
    if (known !== undefined) return known;
    const row = { task, gone };
    this.#rows.set(task, row);
    return row;
  }
}

/** The rows to show: the window's own, or, if they are held, the held ones with their newest contents. */
export function view(tasks: Task[], held: Held | null, make: RowMaker): View {
  if (held === null) return { rows: tasks.map((task) => make.of(task, false)), fresh: 0 };
  const live = new Map(tasks.map((task) => [task.key, task]));
  const rows = held.keys.flatMap((key) => {
    const now = live.get(key);
    if (now !== undefined && !held.still) held.last.set(key, now);
    const task = held.last.get(key);
    return task === undefined ? [] : [make.of(task, now === undefined && !held.still)];
  });
  return { rows, fresh: tasks.filter((task) => !held.last.has(task.key)).length };
}
