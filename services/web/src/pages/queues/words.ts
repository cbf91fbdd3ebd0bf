/** An outlook in words. */
import { queues } from '$strings/queues';
import type { Value } from '../../components/value';
import { rate } from '../../fleet/counts';
import { ahead, duration } from '../../lib/format';
import type { ZoneState } from '../../lib/zone.svelte';
import { roughly, type Outlook } from './outlook';

const DAYS_MS = 2 * 86_400_000;
const words = queues.outlook;

/** 11:40; on another day 29 Nov 11:40; in more than two days the day alone. */
export function clockOf(at: number, now: number, zone: ZoneState): string {
  if (at - now > DAYS_MS) return zone.shortDay(at);
  const when = zone.when(roughly(at, now), now);
  return when.length === '00:00:00'.length ? when.slice(0, 5) : when;
}

export function said(outlook: Outlook, now: number, zone: ZoneState): Value {
  const { text, note, ...value } = told(outlook, now, zone);
  return { look: 'strong', ...value, text, note, title: note, noteTitle: note };
}

function told(outlook: Outlook, now: number, zone: ZoneState): Value {
  switch (outlook.is) {
    case 'empty':
      return { text: words.empty, look: 'faint' };
    case 'unserved':
      return { text: words.unserved, note: words.unservedNote, look: 'strong bad', icon: 'warning' };
    case 'keepsUp':
      return { text: words.keepsUp, note: words.keepsUpNote(duration(outlook.seconds)) };
    case 'steady':
      return { text: words.steady, note: alone(outlook.alone, now, zone) };
    case 'grows': {
      const text = outlook.perMinute === null ? words.growsUnknown : words.grows(rate(outlook.perMinute));
      return { text, note: alone(outlook.alone, now, zone), look: 'strong warn', icon: 'up' };
    }
    case 'unknown':
      return { text: outlook.why === '' ? words.reading : words.unknown, note: outlook.why, look: 'faint' };
    default:
      return falling(outlook, now, zone);
  }
}

function falling(
  outlook: Extract<Outlook, { is: 'drains' | 'drainsAlone' }>,
  now: number,
  zone: ZoneState,
): Value {
  const text = words.drains(clockOf(outlook.at, now, zone));
  const left = ahead(outlook.at, now);
  return outlook.is === 'drainsAlone'
    ? { text, note: words.drainsAlone(left) }
    : { text, note: words.drainsNote(left, rate(outlook.perMinute)), look: 'strong good', icon: 'down' };
}

function alone(at: number | null, now: number, zone: ZoneState): string {
  return at === null ? words.notAtAll : words.alone(clockOf(at, now, zone));
}
