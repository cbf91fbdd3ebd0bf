/** Which part of a window somebody watched: rates are of that part alone. */
import { common } from '$strings/common';
import { epoch } from './format';
import type { Analytics } from './protocol';

/** Nothing is compared with a stretch of which less was watched; the api holds it the same way. */
const COMPARABLE = 0.9;

export const isWatched = ({ watched }: Pick<Analytics, 'watched'>): boolean => watched >= COMPARABLE;

type Window = Pick<Analytics, 'start' | 'end' | 'watched_from' | 'unwatched'>;

/** Since when (epoch milliseconds); null: since its beginning. A window that nobody watched is so since its end. */
export function watchedSince({
  start,
  end,
  watched_from,
}: Pick<Window, 'start' | 'end' | 'watched_from'>): number | null {
  return watched_from === start ? null : epoch(watched_from ?? end);
}

/** The same in words; null: it was watched from its beginning on. `when` says a moment, today's with seconds. */
export function watchedNote(
  window: Parameters<typeof watchedSince>[0],
  when: (at: number) => string,
): string | null {
  const since = watchedSince(window);
  return since === null ? null : common.watched.since(when(since).replace(/(:\d\d):\d\d$/, '$1'));
}

/** The stretches that `watchedSince` does not tell of. */
export const unwatched = (window: Window): Window['unwatched'] =>
  window.unwatched.filter(({ end }) => end !== window.watched_from);
