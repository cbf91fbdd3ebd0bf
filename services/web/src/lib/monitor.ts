/** What the components share, given by the page and taken from the context. */
import { createContext } from 'svelte';
import type { Clock } from './clock.svelte';
import type { Live } from './live.svelte';
import type { PlaceState } from './place.svelte';
import type { Session } from './session.svelte';
import type { Shortcuts } from './shortcuts.svelte';
import type { ThemeState } from './theme.svelte';
import type { ZoneState } from './zone.svelte';

export interface Monitor {
  clock: Clock;
  /** The kinds of the configuration, in order, without `other`. */
  kinds: () => readonly string[];
  live: Live;
  place: PlaceState;
  session: Session;
  shortcuts: Shortcuts;
  theme: ThemeState;
  zone: ZoneState;
}

export const [monitor, setMonitor] = createContext<Monitor>();
