/** What a queue's cells and figures say. */
import { queues } from '$strings/queues';
import { columnsOf } from '../../components/columns';
import { known, type Value } from '../../components/value';
import { rate } from '../../fleet/counts';
import type { Sortable } from '../../fleet/sortable';
import { brief, compact, count, epoch } from '../../lib/format';
import { sentence, whyUnknown } from '../../lib/reasons';
import type { ZoneState } from '../../lib/zone.svelte';
import type { QueueView } from './shown';
import { said } from './words';

const { cells, columns } = queues;

export const COLUMNS: readonly Sortable[] = columnsOf(columns, {
  name: { first: 'ascending' },
  depth: { first: 'descending', width: '13rem' },
  empty: { first: 'descending', width: '15rem' },
  out: { first: 'descending', width: '9rem', end: true },
  oldest: { first: 'ascending', width: '5rem', end: true },
  consumers: { first: 'ascending', width: '5.5rem', end: true },
  parts: { width: '15rem' },
});

export function valueOf(view: QueueView, column: string, now: number, zone: ZoneState): Value {
  const { queue, outlook, drain } = view;
  const { depth, consumers, unknown } = queue;
  const oldest = epoch(queue.oldest_at);
  switch (column) {
    case 'depth':
      return { ...known(depth, whyUnknown(unknown, column), compact), look: 'strong big' };
    case 'empty':
      return said(outlook, now, zone);
    case 'out':
      return rates(drain);
    case 'oldest':
      if (oldest === null)
        return { text: null, title: depth === 0 ? cells.oldestNone : whyUnknown(unknown, 'oldest_at') };
      return {
        text: brief(Math.max(0, (now - oldest) / 1000)),
        title: cells.oldestAt(zone.moment(oldest)),
      };
    default:
      return {
        ...known(consumers, whyUnknown(unknown, 'consumers'), (some) =>
          some === 0 ? cells.nobody : count(some),
        ),
        look: outlook.is === 'unserved' ? 'strong bad' : '',
      };
  }
}

/** What comes and what ends, a minute. */
function rates(drain: QueueView['drain']): Value {
  const { in_per_second: into = null, finished_per_second: out = null } = drain ?? {};
  const why = sentence(drain?.reason ?? cells.ratesUnread);
  if (into === null && out === null) return { text: null, title: why };
  const parts = [
    into === null ? null : cells.in(rate(into * 60)),
    out === null ? null : cells.out(rate(out * 60)),
  ];
  return {
    text: parts.filter(Boolean).join('\u00a0· '),
    note: into === null ? cells.inUnknown : out === null ? cells.outUnknown : undefined,
    noteTitle: into === null ? sentence(drain?.unknown.in_per_second ?? cells.ratesUnread) : why,
  };
}
