/** The table of groups: its rows, their order, and what changed. */
import type { Column } from '../../components/columns';
import type { Analytics, AnalyticsGroup } from '../../lib/protocol';
import { ratio } from './figures';
import { ascending } from '../../lib/order';

export interface Row {
  group: AnalyticsGroup;
  /** Finished a second, now / before; null: not known, or none before. */
  change: number | null;
  /** There were none before. */
  fresh: boolean;
}

/** What stands in the cells of a row, and what it is sorted by. */
export const VALUES = {
  group: ({ group }) => group.group,
  finished: ({ group }) => group.finished,
  failed: ({ group }) => group.failed,
  success: ({ group }) => group.success_rate,
  rate: ({ group }) => group.per_second,
  wait_p50: ({ group }) => group.wait?.p50 ?? null,
  wait_p95: ({ group }) => group.wait?.p95 ?? null,
  runtime_mean: ({ group }) => group.runtime?.mean ?? null,
  runtime_p50: ({ group }) => group.runtime?.p50 ?? null,
  runtime_p95: ({ group }) => group.runtime?.p95 ?? null,
  runtime_p99: ({ group }) => group.runtime?.p99 ?? null,
  share: ({ group }) => group.share,
  change: ({ change }) => change,
} as const satisfies Record<string, (row: Row) => string | number | null>;

export type ColumnId = keyof typeof VALUES;
export const COLUMN_IDS = Object.keys(VALUES) as ColumnId[];
export const DEFAULT_SORT = '-finished';
/** Durations are not kept for workers. */
const DURATIONS: readonly ColumnId[] = COLUMN_IDS.filter((id) => /^(wait|runtime)_/.test(id));

/** What narrow pages leave out: it is in the export, and where the page is wider. */
const WIDE: readonly ColumnId[] = ['wait_p50', 'runtime_mean', 'runtime_p50', 'runtime_p99', 'share'];

/** `-finished` → by finished, the largest first. What is no column sorts as the default does. */
export function sortOf(text: string | null): { by: ColumnId; down: boolean } {
  const wanted = text ?? DEFAULT_SORT;
  const by = COLUMN_IDS.find((id) => id === wanted.replace(/^-/, ''));
  return by === undefined ? { by: 'finished', down: true } : { by, down: wanted.startsWith('-') };
}

/** What a click on a heading sorts by: numbers from the largest first, and then the other way round. */
export function nextSort(id: ColumnId, sort: { by: ColumnId; down: boolean }): string {
  const down = id === sort.by ? !sort.down : id !== 'group';
  return down ? `-${id}` : id;
}

export function columnIds({ group_by, change }: Analytics): ColumnId[] {
  return COLUMN_IDS.filter(
    (id) => !(group_by === 'worker' && DURATIONS.includes(id)) && !(id === 'change' && change === null),
  );
}

export function columnsOf(
  ids: readonly ColumnId[],
  sort: { by: ColumnId; down: boolean },
  words: (id: ColumnId) => { label: string; title?: string },
  href: (sort: string) => string,
): Column[] {
  return ids.map((id) => ({
    id,
    ...words(id),
    end: id !== 'group',
    wide: WIDE.includes(id),
    sort: {
      href: href(nextSort(id, sort)),
      now: id !== sort.by ? 'none' : sort.down ? 'descending' : 'ascending',
    },
  }));
}

/** The rows whose name holds `search`, in order; what is not known comes last either way. */
export function rowsOf(
  now: Analytics,
  before: Analytics | null,
  search: string,
  sort: { by: ColumnId; down: boolean },
): Row[] {
  const earlier = new Map(before?.groups.map((group) => [group.group, group]));
  const rows = now.groups
    .filter((group) => (group.group ?? '').toLowerCase().includes(search.toLowerCase()))
    .map((group): Row => {
      const was = earlier.get(group.group);
      const fresh = before !== null && !was?.finished && group.finished > 0;
      return { group, change: ratio(group.per_second, was?.per_second), fresh };
    });
  return rows.sort((one, other) => compared(VALUES[sort.by](one), VALUES[sort.by](other), sort.down));
}

function compared(one: string | number | null, other: string | number | null, down: boolean): number {
  if (one === null || other === null) return Number(one === null) - Number(other === null);
  const way = typeof one === 'string' ? ascending(one, String(other)) : one - Number(other);
  return down ? -way : way;
}
