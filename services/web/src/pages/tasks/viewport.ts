/**
 * Which rows are in view. Rows have one height, so a row's place is a product: no library measures better than that, and this runs
 * with each frame of scrolling (a virtualizer for any heights would be 5 KB of the page's budget).
 */
import type { Attachment } from 'svelte/attachments';

/** Rows drawn beyond the edges, so that a notch of the wheel shows no gap. */
export const BEYOND = 6;
/** Browsers lose places in elements that are taller (Firefox: at 17.8 million pixels). */
const MAX_HEIGHT = 15_000_000;

export interface Stretch {
  first: number;
  /** Exclusive. */
  last: number;
}

export const NOTHING: Stretch = { first: 0, last: 0 };

/** As many rows as can be scrolled to. */
export function reachable(total: number, height: number): number {
  return Math.min(total, Math.floor(MAX_HEIGHT / height));
}

/** The rows between two edges, which are relative to the first row's top. */
export function between(top: number, bottom: number, height: number, rows: number): Stretch {
  const clamp = (row: number): number => Math.max(0, Math.min(row, rows));
  return { first: clamp(Math.floor(top / height)), last: clamp(Math.ceil(bottom / height)) };
}

/** The rows to draw: as many wherever one is, so that the elements of those that leave are taken for those that come. */
export function drawn(top: number, bottom: number, height: number, rows: number): Stretch {
  const length = Math.min(rows, Math.ceil((bottom - top) / height) + 1 + 2 * BEYOND);
  const first = Math.max(0, Math.min(Math.floor(top / height) - BEYOND, rows - length));
  return { first, last: first + length };
}

/** Rows in their places: the same object while nothing of it changes, so that each frame draws only those that came. */
export class Placed<T> {
  #before = new Map<number, { index: number; task: T }>();

  of({ first, last }: Stretch, at: (index: number) => T): { index: number; task: T }[] {
    const now = Array.from({ length: Math.max(0, last - first) }, (_, step) => {
      const [index, task] = [first + step, at(first + step)];
      const before = this.#before.get(index);
      return before !== undefined && before.task === task ? before : { index, task };
    });
    this.#before = new Map(now.map((row) => [row.index, row]));
    return now;
  }
}

/** How far to scroll so that a row is between the edges; 0: it is. */
export function shift(row: number, height: number, top: number, bottom: number): number {
  const begin = row * height;
  if (begin < top) return begin - top;
  return begin + height > bottom ? begin + height - bottom : 0;
}

/** The edges of what is seen of `content` in `scroller` and in the window, relative to its top. */
export function edges(content: Element, scroller: Element, covered: number): { top: number; bottom: number } {
  const [inner, outer] = [content.getBoundingClientRect(), scroller.getBoundingClientRect()];
  const top = Math.max(outer.top + covered, 0) - inner.top;
  return { top, bottom: Math.min(outer.bottom, innerHeight) - inner.top };
}

/** Scrolls the one of both that scrolls. */
export function scrollBy(scroller: Element, pixels: number): void {
  if (pixels === 0) return;
  const own =
    scroller.scrollHeight > scroller.clientHeight + 1 && getComputedStyle(scroller).overflowY !== 'visible';
  if (own) scroller.scrollTop += pixels;
  else window.scrollBy({ top: pixels, behavior: 'instant' });
}

/** Calls `look` when anything scrolls or changes its size. */
export function watched(look: () => void): Attachment {
  return (element) => {
    const size = new ResizeObserver(look);
    size.observe(element);
    document.addEventListener('scroll', look, { capture: true, passive: true });
    addEventListener('resize', look);
    return () => {
      size.disconnect();
      document.removeEventListener('scroll', look, { capture: true });
      removeEventListener('resize', look);
    };
  };
}

/** Tells the element how far below the window's top it begins, so that its style can fill the rest. */
export const filling: Attachment<HTMLElement> = (element) => {
  const measure = (): void => {
    const top = Math.round(element.getBoundingClientRect().top + scrollY);
    element.style.setProperty('--begins', `${top}px`);
  };
  const size = new ResizeObserver(measure);
  size.observe(document.body);
  addEventListener('resize', measure);
  return () => {
    size.disconnect();
    removeEventListener('resize', measure);
  };
};
