/** Texts of times on the axis of attempts. */
import { task as t } from '$strings/task';
import { duration, ticking } from '../lib/format';
import type { ZoneState } from '../lib/zone.svelte';
import { DAY, type Stretch, type Ticks } from './attempts';

type Zone = Pick<ZoneState, 'clock' | 'day' | 'shortDay'>;

/** `Queued: 21:03:09.120 → 21:03:14.010, 4.89 s`. */
export function stretchWords({ phase, from, to, open, planned }: Stretch, zone: Zone): string {
  const seconds = (to - from) / 1000;
  const length = open ? t.timeline.soFar(ticking(seconds)) : duration(seconds);
  const name = planned ? `${t.timeline.planned}: ${t.timeline.phases[phase]}` : t.timeline.phases[phase];
  return t.timeline.stretch(name, fine(from, zone), open ? t.timeline.now : fine(to, zone), length);
}

/** To the millisecond. */
function fine(at: number, zone: Zone): string {
  return `${zone.clock(at)}.${String(Math.floor(at) % 1000).padStart(3, '0')}`;
}

/** Below a tick: a duration since the beginning, or a time of day, or the day where one begins. */
export function tickWords(at: number, from: number, { relative, step }: Ticks, zone: Zone): string {
  if (relative) return at === from ? t.timeline.start : t.timeline.since(short((at - from) / 1000));
  const clock = zone.clock(at);
  return step >= DAY || clock === '00:00:00' ? zone.shortDay(at) : clock.slice(0, 5);
}

/** Round durations without their noughts: 2 s, 1m 30s, 500 ms. */
function short(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  return seconds < 60 ? `${Math.round(seconds * 10) / 10} s` : duration(seconds);
}
