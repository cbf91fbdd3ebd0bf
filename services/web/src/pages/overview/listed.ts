/** Queues and workers of the overview, as their own pages show them. */
import { overview } from '$strings/overview';
import type { Value } from '../../components/value';
import { epoch } from '../../lib/format';
import type { PlaceState } from '../../lib/place.svelte';
import type { Worker } from '../../lib/protocol';
import { outlookOf, type Outlook } from '../queues/outlook';
import type { QueueView } from '../queues/shown';
import type { GrowingQueue } from './growing';

const words = overview.vanished;

/** `at` is when the rates were told. */
export function viewOf({ queue, drain, unserved }: GrowingQueue, at: string | undefined): QueueView {
  const rates = drain ?? undefined;
  const outlook: Outlook = unserved ? { is: 'unserved' } : outlookOf(queue, rates, epoch(at) ?? 0);
  return { key: queue.key, queue, drain: rates, outlook, running: null };
}

/** The tasks that a worker had in hand. */
export function handOf(
  { name, state, current }: Worker,
  lost: ReadonlyMap<string, number> | null,
  place: PlaceState,
): Value {
  const gone = lost?.get(name) ?? 0;
  const href = (state: string): string => place.to('tasks', { state, worker: name });
  if (gone > 0) return { text: words.lost(gone), href: href('lost'), look: 'bad' };
  if (current.length > 0) return { text: words.current(current.length), href: href('running') };
  return state === 'offline' || lost !== null
    ? { text: words.nothing }
    : { text: null, title: words.notKnown };
}
