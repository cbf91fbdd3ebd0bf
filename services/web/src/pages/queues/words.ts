/** An outlook in words. */
import { queues } from '$strings/queues';
import { rate } from '../../fleet/counts';
import { ahead, duration } from '../../lib/format';
import type { ZoneState } from '../../lib/zone.svelte';
import { roughly, type Outlook } from './outlook';

export interface Said {
  text: string;
  note: string;
  tone: 'plain' | 'good' | 'warn' | 'bad' | 'none';
}

const DAYS_MS = 2 * 86_400_000;

/** 11:40; on another day 29 Nov 11:40; in more than two days the day alone. */
export function clockOf(at: number, now: number, zone: ZoneState): string {
  if (at - now > DAYS_MS) return zone.shortDay(at);
  const when = zone.when(roughly(at, now), now);
  return when.length === '00:00:00'.length ? when.slice(0, 5) : when;
}

export function said(outlook: Outlook, now: number, zone: ZoneState): Said {
  const words = queues.outlook;
  switch (outlook.is) {
    case 'empty':
      return { text: words.empty, note: '', tone: 'none' };
    case 'unserved':
      return { text: words.unserved, note: words.unservedNote, tone: 'bad' };
    case 'keepsUp':
      return { text: words.keepsUp, note: words.keepsUpNote(duration(outlook.seconds)), tone: 'plain' };
    case 'steady':
      return { text: words.steady, note: alone(outlook.alone, now, zone), tone: 'plain' };
    case 'grows':
      return {
        text: outlook.perMinute === null ? words.growsUnknown : words.grows(rate(outlook.perMinute)),
        note: alone(outlook.alone, now, zone),
        tone: 'warn',
      };
    case 'drains':
      return {
        text: words.drains(clockOf(outlook.at, now, zone)),
        note: words.drainsNote(ahead(outlook.at, now), rate(outlook.perMinute)),
        tone: 'good',
      };
    case 'drainsAlone':
      return {
        text: words.drains(clockOf(outlook.at, now, zone)),
        note: words.drainsAlone(ahead(outlook.at, now)),
        tone: 'plain',
      };
    case 'unknown':
      return { text: outlook.why === '' ? words.reading : words.unknown, note: outlook.why, tone: 'none' };
  }
}

function alone(at: number | null, now: number, zone: ZoneState): string {
  return at === null ? queues.outlook.notAtAll : queues.outlook.alone(clockOf(at, now, zone));
}
