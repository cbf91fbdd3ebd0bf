/** Columns that are sorted by a click on their heading: a link that turns the direction. */
import type { Column } from '../components/columns';
import type { Sorting } from './held';

/** Sorted by a field of the same name. */
export interface Sortable extends Omit<Column, 'sort'> {
  /** The direction of the first click; without it the column is no order. */
  first?: 'ascending' | 'descending';
}

export function withSort(
  columns: readonly Sortable[],
  sorting: Sorting<string>,
  href: (sort: string) => string,
): Column[] {
  return columns.map(({ first, ...column }) => {
    if (first === undefined) return column;
    const now = sorting.field !== column.id ? 'none' : sorting.descending ? 'descending' : 'ascending';
    const descending = now === 'none' ? first === 'descending' : now === 'ascending';
    return { ...column, sort: { now, href: href(descending ? `-${column.id}` : column.id) } };
  });
}
