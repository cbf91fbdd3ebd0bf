/** What a worker's cells and figures say. */
import { workers } from '$strings/workers';
import { columnsOf } from '../../components/columns';
import { known, type Value } from '../../components/value';
import type { Sortable } from '../../fleet/sortable';
import { brief, compact, count, epoch } from '../../lib/format';
import type { Worker } from '../../lib/protocol';
import { whyUnknown } from '../../lib/reasons';
import type { ZoneState } from '../../lib/zone.svelte';
import { isThere } from '../../fleet/there';

const { cells, columns } = workers;
const MOST = { first: 'descending', end: true } as const;

export const COLUMNS: readonly Sortable[] = columnsOf(columns, {
  name: { first: 'ascending' },
  state: { first: 'ascending', width: '8.5rem' },
  busy: { first: 'descending', width: '9.5rem' },
  reserved: { ...MOST, width: '6rem' },
  load: { ...MOST, width: '6rem' },
  started: { first: 'ascending', end: true, width: '4.75rem' },
  processed: { ...MOST, width: '6rem' },
  ended: { first: 'descending', width: '11.5rem' },
  queues: { width: '13rem' },
});

export function valueOf(worker: Worker, column: string, now: number, zone: ZoneState): Value {
  const { unknown, load, prefetch, failed, processed } = worker;
  const started = epoch(worker.started_at);
  const gone = isThere(worker) ? null : cells.wasUp;
  if (column === 'processed')
    return {
      ...known(processed, whyUnknown(unknown, column), compact),
      ...(failed
        ? {
            note: cells.failed(compact(failed)),
            noteTitle: cells.failedOf(count(failed)),
            noteLook: 'failed',
          }
        : {}),
    };
  if (gone !== null) return { text: null, title: gone };
  if (column === 'reserved')
    return {
      ...known(worker.reserved, whyUnknown(unknown, column), count),
      note: prefetch === null ? undefined : cells.prefetch(prefetch),
      noteTitle: cells.prefetchTitle,
    };
  if (column === 'load' && load !== null) {
    const [one = '', five = '', fifteen = ''] = load.map((value) => value.toFixed(2));
    return { text: one, title: cells.load(one, five, fifteen), note: `${five} · ${fifteen}` };
  }
  if (column === 'started' && started !== null)
    return {
      text: brief(Math.max(0, (now - started) / 1000)),
      title: cells.startedAt(zone.moment(started)),
    };
  return { text: null, title: whyUnknown(unknown, column === 'started' ? 'started_at' : column) };
}
