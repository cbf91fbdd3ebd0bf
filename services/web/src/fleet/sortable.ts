/** Columns that are sorted by a click on their heading: a link that turns the direction. */
import type { Column } from '../components/columns';
import type { Sorting } from './held';

export interface Sortable<Field extends string> extends Omit<Column, 'sort'> {
  by?: Field;
  /** The direction of the first click. */
  first?: 'descending';
}

export function withSort<Field extends string>(
  columns: readonly Sortable<Field>[],
  sorting: Sorting<Field>,
  href: (sort: string) => string,
): Column[] {
  return columns.map(({ by, first, ...column }) => {
    if (by === undefined) return column;
    const now = sorting.field !== by ? 'none' : sorting.descending ? 'descending' : 'ascending';
    const descending = now === 'none' ? first === 'descending' : now === 'ascending';
    return { ...column, sort: { now, href: href(descending ? `-${by}` : by) } };
  });
}
