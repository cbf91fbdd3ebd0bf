/** What lies over the page: one at a time. */
import { createContext } from 'svelte';

export type Overlay = 'palette' | 'sheet';

export class Overlays {
  open = $state<Overlay | null>(null);

  toggle(overlay: Overlay): void {
    this.open = this.open === overlay ? null : overlay;
  }

  close(): void {
    this.open = null;
  }
}

export const [overlays, setOverlays] = createContext<Overlays>();
