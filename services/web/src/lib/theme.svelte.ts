/** Light, dark or the system's theme; remembered. `public/early.js` applies it before the first paint. */
import { MediaQuery } from 'svelte/reactivity';

export type Theme = 'system' | 'light' | 'dark';

const KEY = 'taskscope.theme';

function remembered(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return value === 'light' || value === 'dark' ? value : 'system';
  } catch {
    return 'system';
  }
}

export class ThemeState {
  current = $state<Theme>(remembered());
  readonly #system = new MediaQuery('prefers-color-scheme: dark');
  /** What is seen now. */
  readonly dark: boolean = $derived.by(() =>
    this.current === 'system' ? this.#system.current : this.current === 'dark',
  );

  choose(theme: Theme): void {
    this.current = theme;
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // Storage is forbidden: the choice lasts as long as the page.
    }
  }
}
