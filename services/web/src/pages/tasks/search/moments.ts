/** Moments as people type them: `2h` (ago), `today`, `2026-11-27`, `2026-11-27T10:00` in the reader's zone. */
import { seconds } from './spans';

/** Of `ZoneState`, what this needs. */
export interface Walls {
  clock: (at: number) => string;
  day: (at: number) => string;
  midnight: (at: number) => number;
}

const DATE = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?$/i;
const DAYS = ['today', 'yesterday'];
const DAY_MS = 86_400_000;

/** The form in which the address has it; null: it is no moment. */
export function canonicalMoment(text: string): string | null {
  const value = text.trim();
  const plain = value.toLowerCase();
  if (DAYS.includes(plain) || ago(plain) !== null) return plain;
  return dated(value) === null ? null : value.replace(/[tT ]/, 'T').replace(/z$/, 'Z');
}

/** Epoch milliseconds of a moment; null: it is none. */
export function momentOf(text: string, now: number, zone: Walls): number | null {
  const past = ago(text);
  if (past !== null) return now - past * 1000;
  if (text === 'today') return zone.midnight(now);
  if (text === 'yesterday') return zone.midnight(zone.midnight(now) - DAY_MS / 2);
  const wall = dated(text);
  if (wall === null) return null;
  return /(Z|[+-]\d\d:\d\d)$/i.test(text) && text.includes('T') ? Date.parse(text) : unwall(wall, zone);
}

/** The moment whose date and time on the wall, read as UTC, is that; of the two that an hour repeats, one of them. */
export function unwall(wall: number, zone: Walls): number {
  let at = wall;
  for (let round = 0; round < 2; round += 1) at += wall - wallOf(at, zone);
  return at;
}

/** `2026-11-27T10:00`, as a field of a form has it. */
export function localText(at: number, zone: Walls): string {
  return `${zone.day(at)}T${zone.clock(at).slice(0, 5)}`;
}

/** A number alone may be a year, or anything. */
const ago = (text: string): number | null => (/[a-z]$/.test(text) ? seconds(text) : null);

function wallOf(at: number, zone: Walls): number {
  return Date.parse(`${zone.day(at)}T${zone.clock(at)}Z`) + (at % 1000);
}

/** Its date and time read as UTC, whatever zone it says. */
function dated(text: string): number | null {
  const found = DATE.exec(text);
  if (found === null) return null;
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map((part) => Number(part || '0'));
  const at = Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second);
  const back = new Date(at);
  return back.getUTCMonth() + 1 === month &&
    back.getUTCDate() === day &&
    back.getUTCHours() === hour &&
    back.getUTCMinutes() === minute
    ? at
    : null;
}
