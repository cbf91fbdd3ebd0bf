/** How the estimate of a queue is made, sentence by sentence. */
import { queues } from '$strings/queues';
import { queue as one } from '$strings/queue';
import { rate } from '../../fleet/counts';
import { count, duration } from '../../lib/format';
import type { ZoneState } from '../../lib/zone.svelte';
import { aloneSeconds, recent, type Outlook } from './outlook';
import type { QueueView } from './shown';
import { clockOf } from './words';

export interface Moment {
  now: number;
  /** When the rates were told. */
  read: number;
  zone: ZoneState;
}

const words = one.estimate;

export function reasoning(view: QueueView, moment: Moment): string[] {
  const { queue, drain } = view;
  if (queue.depth === 0) return [words.empty];
  if (drain === undefined) return [];
  return [
    course(view, moment),
    lately(view, moment),
    net(view.outlook, drain.depth, moment),
    alone(view, moment),
    came(view),
  ].filter((sentence) => sentence !== null);
}

function course({ queue }: QueueView, { read }: Moment): string {
  const span = recent(queue, read);
  if (span === null) return words.tooLittle;
  const change = span.to - span.from;
  if (change === 0) return words.same(span.minutes);
  const each = rate(Math.abs(change) / span.minutes);
  const how = change < 0 ? 'fell' : 'grew';
  return words.whole(words.went(how, count(span.from), count(span.to), span.minutes, each));
}

/** What the estimate is made of, where that is not the whole quarter of an hour. */
function lately({ queue, outlook }: QueueView, { read }: Moment): string | null {
  const [whole, span] = [recent(queue, read), outlook.is === 'drains' ? outlook.minutes : null];
  const part = span === null ? null : recent(queue, read, span * 60);
  if (span === null || part === null || whole === null || span >= whole.minutes) return null;
  const each = rate((part.from - part.to) / part.minutes);
  return words.lately(words.went('fell', count(part.from), count(part.to), part.minutes, each));
}

function net(outlook: Outlook, depth: number | null, { now, zone, read }: Moment): string | null {
  if (outlook.is !== 'drains' || depth === null) return null;
  const seconds = (outlook.at - read) / 1000;
  return words.net(count(depth), rate(outlook.perMinute), duration(seconds), clockOf(outlook.at, now, zone));
}

function alone({ drain, queue }: QueueView, { now, zone, read }: Moment): string | null {
  if (drain === undefined || queue.depth === null) return null;
  const [seconds, out] = [aloneSeconds(queue, drain), drain.finished_per_second];
  if (seconds === null || out === null) return words.noRate(drain.reason ?? queues.outlook.unknown);
  const at = clockOf(read + seconds * 1000, now, zone);
  return words.alone(count(queue.depth), rate(out * 60), duration(seconds), at);
}

function came({ drain }: QueueView): string | null {
  if (drain === undefined) return null;
  if (drain.in_per_second === null)
    return words.cameUnknown(drain.unknown.in_per_second ?? queues.outlook.unknown);
  return words.came(rate(drain.in_per_second * 60));
}
