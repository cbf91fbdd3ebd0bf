/** Going from row to row by keys. */
import type { PlaceState } from './place.svelte';

/** To the next or previous row; an open drawer follows. */
export function move(place: PlaceState, step: 1 | -1): void {
  const all = [...document.querySelectorAll<HTMLElement>('[data-task] a[data-row]')];
  const open = place.get('task');
  const at = all.findIndex((link) => keyOf(link) === (open ?? keyOf(document.activeElement)));
  const target = all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + step))];
  target?.focus();
  target?.scrollIntoView({ block: 'nearest' });
  const key = target === undefined ? null : keyOf(target);
  if (open !== null && key !== null) place.go({ task: key }, 'replace');
}

function keyOf(element: Element | null): string | null {
  return element?.closest<HTMLElement>('[data-task]')?.dataset.task ?? null;
}
