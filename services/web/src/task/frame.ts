/** Where a task's details stand, which its parts must know: in the drawer over a list, or on their page. */
import { createContext } from 'svelte';

export interface Frame {
  /** Of the sections. */
  heading: 'h2' | 'h3';
  /** The address of another task, which opens in the same frame. */
  link: (key: string) => string;
}

export const [frame, setFrame] = createContext<Frame>();
