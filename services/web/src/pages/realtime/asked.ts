/** What the realtime page is narrowed to, as its address says it. */
import type { PlaceState } from '../../lib/place.svelte';

export interface Asked {
  kind: string | null;
  queue: string | null;
  worker: string | null;
  /** Ids of chips. */
  states: string[];
}

export function asked(place: PlaceState): Asked {
  return {
    kind: place.get('kind'),
    queue: place.get('queue'),
    worker: place.get('worker'),
    states: place.list('state'),
  };
}
