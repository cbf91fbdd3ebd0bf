/** What all workers together are. */
import { workers } from '$strings/workers';
import type { Choice, FleetStat } from '../../fleet/stats';
import { compact, count, UNKNOWN } from '../../lib/format';
import type { PlaceState } from '../../lib/place.svelte';
import type { Worker } from '../../lib/protocol';
import { STATES, totalsOf } from './fleet';
import { together, type Hour } from './hour';

const { stats: s, filters, states } = workers;

export function statsOf(
  workers: readonly Worker[],
  hours: ReadonlyMap<string, Hour> | null,
  place: PlaceState,
): FleetStat[] {
  const { states, busy, slots, uncounted, reserved, silentEvents } = totalsOf(workers);
  const { online, lost, silent, offline } = states;
  const hour = hours === null ? null : together(hours);
  const share = slots === 0 ? UNKNOWN : `${Math.round((100 * busy) / slots)} %`;
  const href = (state: string): string => place.href({ state, limit: null });
  return [
    {
      ...{ label: s.online, value: count(online), href: href('online') },
      note: s.onlineNote(silent, offline) || s.onlineAll,
    },
    {
      ...{ label: s.lost, value: count(lost), href: href('lost') },
      ...(lost > 0 ? { note: s.lostSome, tone: 'bad' } : { note: s.lostNone }),
    },
    {
      ...{ label: s.busy, value: `${compact(busy)} / ${compact(slots)}` },
      note: s.busyNote(share, compact(reserved)),
      title: uncounted > 0 ? s.busyUncounted(uncounted) : undefined,
    },
    {
      label: s.ended,
      ...(hour === null
        ? { value: UNKNOWN, note: '' }
        : { value: compact(hour.finished), note: s.failed(compact(hour.failed)) }),
    },
    {
      ...{ label: s.events, value: count(silentEvents) },
      ...(silentEvents > 0 ? { note: s.eventsSome, tone: 'warn' } : { note: s.eventsNone }),
    },
  ];
}

/** How many of those that were found are in each state. */
export function choiceOf(found: readonly Worker[]): Choice {
  const counts = totalsOf(found).states;
  return {
    name: 'state',
    label: filters.states,
    options: [
      { value: '', text: filters.all, count: found.length },
      ...STATES.map((value) => ({
        ...{ value, text: states[value].label, title: states[value].says },
        count: counts[value],
      })),
    ],
  };
}
