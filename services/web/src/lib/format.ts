/** Text for numbers, durations (seconds) and times (epoch milliseconds). */
import { grouped } from '../strings/plural';

export const UNKNOWN = '–';

const pad = (value: number): string => String(value).padStart(2, '0');

export const count = grouped;

/** 12,345 stays; 1,234,567 becomes 1.23M where room is short. */
export function compact(value: number): string {
  if (value < 100_000) return count(value);
  if (value < 999_500) return `${Math.round(value / 1000)}k`;
  return `${(value / 1e6).toFixed(value < 9_995_000 ? 2 : 1)}M`;
}

/** How long something took: 3 ms, 420 ms, 4.21 s, 42.1 s, 1m 15s, 1h 01m, 2d 3h. */
export function duration(seconds: number): string {
  const value = Math.max(0, seconds);
  if (value < 0.0005) return '0 ms';
  if (value < 0.9995) return `${Math.round(value * 1000)} ms`;
  if (value < 9.995) return `${value.toFixed(2)} s`;
  if (value < 59.95) return `${value.toFixed(1)} s`;
  return long(Math.round(value));
}

/** How long something takes so far: whole seconds, so that the digits do not flicker. */
export function ticking(seconds: number): string {
  const value = Math.max(0, Math.floor(seconds));
  return value < 60 ? `${value} s` : long(value);
}

function long(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${pad(seconds % 60)}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours}h ${pad(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

/** How long ago: now, 12 s ago, 3m ago, 2h ago, 5d ago. */
export function ago(at: number, now: number): string {
  const seconds = Math.floor((now - at) / 1000);
  if (seconds < 1) return 'now';
  return `${brief(seconds)} ago`;
}

/** How far ahead: in 12 s, in 3m; due when it is past. */
export function ahead(at: number, now: number): string {
  const seconds = Math.ceil((at - now) / 1000);
  return seconds <= 0 ? 'due' : `in ${seconds < 600 ? ticking(seconds) : brief(seconds)}`;
}

export function brief(seconds: number): string {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** RFC 3339 to epoch milliseconds; null stays null. */
export function epoch(text: string | null | undefined): number | null {
  if (text === null || text === undefined) return null;
  const value = Date.parse(text);
  return Number.isNaN(value) ? null : value;
}

/** The part of an id that tells it from its neighbours. */
export function shortId(id: string): string {
  return id.length > 12 ? id.slice(0, 8) : id;
}

/** `app.media.transcode_vod` → [`app.media.`, `transcode_vod`]. */
export function splitPath(name: string): [string, string] {
  const dot = name.lastIndexOf('.');
  return dot < 0 ? ['', name] : [name.slice(0, dot + 1), name.slice(dot + 1)];
}

export function bytes(value: number): string {
  if (value < 1024) return `${value} B`;
  const power = Math.min(3, Math.floor(Math.log2(value) / 10));
  return `${(value / 1024 ** power).toFixed(1)} ${['B', 'KiB', 'MiB', 'GiB'][power] ?? 'GiB'}`;
}
