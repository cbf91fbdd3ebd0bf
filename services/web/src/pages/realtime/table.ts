/** The rows of the page's table, shared by its parts. */
import { createContext } from 'svelte';
import type { Rows } from '../../lib/rows.svelte';

export const [table, setTable] = createContext<Rows>();
