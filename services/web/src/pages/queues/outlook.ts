/** What becomes of a queue: when it is empty, or why it will not be. */
import { epoch } from '../../lib/format';
import type { Drain, Queue } from '../../lib/protocol';

/** What is worked off within this is no backlog: growing by a message or two says nothing. */
export const SOON_SECONDS = 60;

export type Outlook =
  | { is: 'empty' }
  /** Nobody takes from it. */
  | { is: 'unserved' }
  /** What waits is worked off in `seconds`, though about as much comes as leaves. */
  | { is: 'keepsUp'; seconds: number }
  /** More comes than leaves: `perMinute` more (null: not known); `alone` is when it were empty if nothing more came. */
  | { is: 'grows'; perMinute: number | null; alone: number | null }
  | { is: 'steady'; alone: number | null }
  /** Empty at `at` if it goes on to fall as in the last `minutes`. */
  | { is: 'drains'; at: number; perMinute: number; minutes: number }
  /** What comes is not known: empty at `at` if nothing more comes. */
  | { is: 'drainsAlone'; at: number }
  | { is: 'unknown'; why: string };

/** `read` is when the drain was told, in epoch milliseconds. */
export function outlookOf(queue: Queue, drain: Drain | undefined, read: number): Outlook {
  if (queue.depth === null) return { is: 'unknown', why: queue.unknown.depth ?? drain?.reason ?? '' };
  if (queue.depth === 0) return { is: 'empty' };
  if (queue.consumers === 0) return { is: 'unserved' };
  if (drain === undefined) return { is: 'unknown', why: '' };
  return rated(queue, drain, read);
}

function rated(queue: Queue, drain: Drain, read: number): Outlook {
  const { net_drain_seconds: net, grows } = drain;
  const alone = aloneSeconds(queue, drain);
  const at = alone === null ? null : read + alone * 1000;
  if (net !== null && drain.depth !== null && net > 0)
    return drains(read + net * 1000, (drain.depth * 60) / net, recent(queue, read));
  if (grows !== null && alone !== null && alone < SOON_SECONDS) return { is: 'keepsUp', seconds: alone };
  const falls = grows === true ? since(queue, read) : null;
  if (falls !== null) return falls;
  if (grows === true) return { is: 'grows', perMinute: changePerMinute(queue, read), alone: at };
  if (grows === false && net === null) return { is: 'steady', alone: at };
  if (at !== null) return { is: 'drainsAlone', at };
  return { is: 'unknown', why: drain.reason ?? drain.unknown.net_drain_seconds ?? '' };
}

/** Minutes of a queue's history: epoch seconds and depths. */
export function history(queue: Queue): { times: number[]; depths: (number | null)[] } {
  const last = epoch(queue.depths_at);
  const depths = lastHour(queue);
  if (last === null) return { times: [], depths: [] };
  return { times: depths.map((_, at) => last / 1000 - 60 * (depths.length - 1 - at)), depths };
}

const RECENT_SECONDS = 900;
const LEAST_SECONDS = 180;
const BURST_SECONDS = 300;

function drains(at: number, perMinute: number, span: Span | null): Outlook {
  return { is: 'drains', at, perMinute, minutes: span?.minutes ?? RECENT_SECONDS / 60 };
}

/** A burst makes a queue deeper than a quarter of an hour ago, though it falls since: then the last minutes say more. */
function since(queue: Queue, read: number): Outlook | null {
  const span = recent(queue, read, BURST_SECONDS);
  if (span === null || span.to >= span.from || queue.depth === null) return null;
  const perMinute = (span.from - span.to) / span.minutes;
  return drains(read + (queue.depth / perMinute) * 60_000, perMinute, span);
}

/** How long it takes if nothing more comes: what waits now, which may be more than when the rate was told. */
export function aloneSeconds(queue: Queue, { finished_per_second: out }: Drain): number | null {
  return queue.depth === null || out === null || out === 0 ? null : queue.depth / out;
}

export interface Span {
  from: number;
  to: number;
  minutes: number;
}

/** The depth at both ends of the longest span of the last minutes, as the api takes it; null: too little is known. */
export function recent(queue: Queue, now: number, seconds = RECENT_SECONDS): Span | null {
  const { times, depths } = history(queue);
  const minute = Math.floor(now / 60_000) * 60;
  const known = times.flatMap((at, index) => {
    const depth = depths[index] ?? null;
    return depth === null || at < minute - seconds || at > minute ? [] : [{ at, depth }];
  });
  const [first, last] = [known.at(0), known.at(-1)];
  if (first === undefined || last === undefined || last.at - first.at < LEAST_SECONDS) return null;
  return { from: first.depth, to: last.depth, minutes: Math.round((last.at - first.at) / 60) };
}

/** By how much it became deeper a minute in that span. */
export function changePerMinute(queue: Queue, now: number): number | null {
  const span = recent(queue, now);
  return span === null ? null : (span.to - span.from) / span.minutes;
}

/** The history as it is drawn: always an hour, with what nobody counted as gaps at its beginning. */
export function lastHour(queue: Queue): (number | null)[] {
  const missing = Math.max(0, 60 - queue.depths.length);
  return [...Array.from({ length: missing }, () => null), ...queue.depths];
}

/** The more has to be waited, the rougher the moment: to 1, 5 or 15 minutes (epoch milliseconds). */
export function roughly(at: number, now: number): number {
  const ahead = (at - now) / 60_000;
  const minutes = ahead < 60 ? 1 : ahead < 360 ? 5 : 15;
  return Math.round(at / (minutes * 60_000)) * minutes * 60_000;
}
