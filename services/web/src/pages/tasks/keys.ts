/** The keys of the list. */
import { tasks as words } from '$strings/tasks';
import type { Shortcut } from '../../lib/shortcuts.svelte';

export interface Moves {
  step: (by: 1 | -1) => void;
  page: (by: 1 | -1) => void;
  end: (last: boolean) => void;
  choose: () => void;
  newest: () => void;
}

export function shortcutsOf({ step, page, end, choose, newest }: Moves): Shortcut[] {
  const key = (name: string, says: string, run: () => void): Shortcut => ({ key: name, words: says, run });
  return [
    key('j', words.keys.next, () => {
      step(1);
    }),
    key('k', words.keys.previous, () => {
      step(-1);
    }),
    key('PageDown', words.keys.pageDown, () => {
      page(1);
    }),
    key('PageUp', words.keys.pageUp, () => {
      page(-1);
    }),
    key('Home', words.keys.first, () => {
      end(false);
    }),
    key('End', words.keys.last, () => {
      end(true);
    }),
    key('x', words.keys.choose, choose),
    key('u', words.keys.newest, newest),
  ];
}
