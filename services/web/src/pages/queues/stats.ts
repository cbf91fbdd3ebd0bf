/** What all queues together are. */
import { queues } from '$strings/queues';
import type { Choice, FleetStat } from '../../fleet/stats';
import { ahead, compact, count, UNKNOWN } from '../../lib/format';
import type { Monitor } from '../../lib/monitor';
import { emptyAt, totalsOf, WHICH, type QueueView } from './shown';
import { clockOf } from './words';

const { stats: s, filters, which } = queues;

export function statsOf(views: readonly QueueView[], { clock, place, zone }: Monitor): FleetStat[] {
  const { waiting, uncounted, last, queues } = totalsOf(views);
  const at = last === null ? null : emptyAt(last.outlook);
  const running = views.map((view) => view.running).filter((value) => value !== null);
  const href = (which: string): string => place.href({ which });
  const some = (what: 'grows' | 'unserved', tone: string): FleetStat => ({
    label: s[what],
    value: count(queues[what].length),
    note: queues[what].map(({ queue }) => queue.name).join(', ') || s.none[what],
    tone: queues[what].length > 0 ? tone : undefined,
    href: href(what),
  });
  return [
    {
      ...{ label: s.waiting, value: compact(waiting), href: href('waiting') },
      note: s.waitingNote(queues.waiting.length, views.length),
      title: uncounted > 0 ? s.uncounted(uncounted) : undefined,
    },
    {
      label: s.running,
      value: running.length === 0 ? UNKNOWN : compact(running.reduce((sum, value) => sum + value, 0)),
      note: s.runningNote,
    },
    last === null || at === null
      ? { label: s.last, value: UNKNOWN, note: s.lastNone }
      : {
          ...{ label: s.last, value: clockOf(at, clock.now, zone) },
          note: s.lastNote(last.queue.name, ahead(at, clock.now)),
          href: place.to('queues', {}, last.key),
        },
    some('grows', 'warn'),
    some('unserved', 'bad'),
  ];
}

/** How many of those that were found are of each sort. */
export function choiceOf(found: readonly QueueView[]): Choice {
  const { queues } = totalsOf(found);
  return {
    name: 'which',
    label: filters.which,
    options: [
      { value: '', text: filters.all, count: found.length },
      ...WHICH.map((value) => ({ value, text: which[value], count: queues[value].length })),
    ],
  };
}
