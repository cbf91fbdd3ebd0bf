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
