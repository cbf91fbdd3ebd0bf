/** The columns that there are, in their order. */
import { tasks as words } from '$strings/tasks';

export interface TaskColumn {
  id: ColumnId;
  /** What the api calls it in `sort`; null: it cannot sort by it. */
  sort: string | null;
  /** Of a grid: at least and at most. */
  width: string;
  /** The least, in rem: so wide the table is where the page is narrower. */
  least: number;
  /** A number or time, aligned at the end; the largest is sought first. */
  end?: boolean;
}

export type ColumnId = keyof typeof words.columns.names;

const column = (
  id: ColumnId,
  sort: string | null,
  least: number,
  share: number,
  end = false,
): TaskColumn => ({
  id,
  sort,
  least,
  width: share === 0 ? `${least}rem` : `minmax(${least}rem, ${share}fr)`,
  end,
});

export const COLUMNS: readonly TaskColumn[] = [
  column('state', 'state', 7.875, 0),
  column('task', 'name', 11.5, 4),
  column('id', null, 5.75, 0),
  column('kind', 'kind', 6.5, 0.5),
  column('queue', 'queue', 6.75, 0.75),
  column('worker', 'worker', 7.25, 1.2),
  column('source', null, 6, 0.5),
  column('activity', null, 6, 2.5),
  column('progress', null, 8, 1.5),
  column('exception', 'exception_type', 9, 2.5),
  column('wait', 'wait_seconds', 4.5, 0, true),
  column('runtime', 'runtime_seconds', 5, 0, true),
  column('retries', 'retries', 4.5, 0, true),
  column('sent', 'sent_at', 7, 0, true),
  column('started', 'started_at', 7, 0, true),
  column('finished', 'finished_at', 7, 0, true),
  column('planned', 'eta_at', 7, 0, true),
  column('updated', 'updated_at', 7, 0, true),
];

export const DEFAULT: readonly ColumnId[] = [
  ...(['state', 'task', 'queue', 'worker', 'activity', 'wait', 'runtime', 'updated'] as const),
];

/** The column without which a row says nothing. */
export const ALWAYS: ColumnId = 'task';

export function columnsOf(chosen: readonly string[]): TaskColumn[] {
  return COLUMNS.filter(({ id }) => id === ALWAYS || chosen.includes(id));
}

export const DEFAULT_SORT = '-updated_at';

/** The sort that a click on a heading leads to: first direction, the other, as at first. */
export function nextSort(column: TaskColumn, sort: string): string | null {
  if (column.sort === null) return null;
  const [first, second] =
    column.end === true ? [`-${column.sort}`, column.sort] : [column.sort, `-${column.sort}`];
  if (sort === first) return second;
  return sort === second && sort !== DEFAULT_SORT && second !== DEFAULT_SORT ? DEFAULT_SORT : first;
}

export function direction(column: TaskColumn, sort: string): 'ascending' | 'descending' | 'none' {
  if (column.sort === null) return 'none';
  if (sort === column.sort) return 'ascending';
  return sort === `-${column.sort}` ? 'descending' : 'none';
}

/** The sort of an address, if there is such a one. */
export function sortOf(text: string | null): string {
  const name = text?.replace(/^-/, '').replace(/^(wait|runtime)$/, '$1_seconds') ?? '';
  const known = COLUMNS.some((one) => one.sort === name || one.sort === `${name}_at`);
  if (text === null || !known) return DEFAULT_SORT;
  const whole = COLUMNS.find((one) => one.sort === name || one.sort === `${name}_at`)?.sort ?? name;
  return text.startsWith('-') ? `-${whole}` : whole;
}
