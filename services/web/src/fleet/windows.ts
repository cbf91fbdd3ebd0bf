/** The windows that charts of a worker or a queue are shown over. */
import { fleet } from '$strings/fleet';

export const WINDOWS = ['1h', '6h', '24h', '7d'] as const;
export type Window = (typeof WINDOWS)[number];

/** The buckets that are drawn, and how often they are asked for anew, in seconds. */
export const BUCKETS: Record<Window, { bucket: string; every: number }> = {
  '1h': { bucket: '1m', every: 5 },
  '6h': { bucket: '5m', every: 10 },
  '24h': { bucket: '15m', every: 10 },
  '7d': { bucket: '2h', every: 10 },
};

export function windowOf(text: string | null): Window {
  return WINDOWS.find((known) => known === text) ?? '1h';
}

export const WINDOW_OPTIONS = WINDOWS.map((value) => ({ value, text: fleet.windows[value] }));
