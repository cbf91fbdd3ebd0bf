/** What the components share, given by the page and taken from the context. */
import { createContext } from 'svelte';
import type { Clock } from './clock.svelte';
import type { Live } from './live.svelte';
import type { PlaceState } from './place.svelte';
import type { Rows } from './rows.svelte';
import type { Session } from './session.svelte';
import type { ThemeState } from './theme.svelte';

export interface Monitor {
  clock: Clock;
  live: Live;
  place: PlaceState;
  rows: Rows;
  session: Session;
  theme: ThemeState;
}

export const [monitor, setMonitor] = createContext<Monitor>();
