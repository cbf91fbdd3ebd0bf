/** Attachments: behaviour of an element that is more than an event handler. */
import type { Attachment } from 'svelte/attachments';

/** A click anywhere in a row is a click on its task; links, buttons and selected text keep their own meaning. */
export function taskLinks(open: (key: string) => void): Attachment {
  return (element) => {
    const listen = (event: Event): void => {
      const { target } = event;
      if (!(target instanceof Element) || target.closest('a, button, input, label') !== null) return;
      if (getSelection()?.isCollapsed === false) return;
      const key = target.closest<HTMLElement>('[data-task]')?.dataset.task;
      if (key !== undefined) open(key);
    };
    element.addEventListener('click', listen);
    return () => {
      element.removeEventListener('click', listen);
    };
  };
}

/** Titles of times (`data-at`: epoch milliseconds) are made for what the pointer rests on: making all of them takes longer than the rows. */
export function momentTitles(says: (at: number) => string): Attachment {
  return (element) => {
    const explain = ({ target }: Event): void => {
      const cell = target instanceof Element ? target.closest<HTMLElement>('[data-at]') : null;
      if (cell !== null) cell.title = says(Number(cell.dataset.at));
    };
    element.addEventListener('mouseover', explain);
    return () => {
      element.removeEventListener('mouseover', explain);
    };
  };
}
