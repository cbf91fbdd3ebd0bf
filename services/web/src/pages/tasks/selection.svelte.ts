/** The tasks that were chosen, by key; they stay chosen when they leave the view. */
import { SvelteSet } from 'svelte/reactivity';
import { MOST_KEYS } from './list.svelte';

export class Selection {
  readonly keys = new SvelteSet<string>();
  /** The row of the last choice: where a choice with shift begins. */
  #anchor: number | null = null;

  get full(): boolean {
    return this.keys.size >= MOST_KEYS;
  }

  /** The box of a row; `between`: all from the last one to this. `keyOf` knows the keys of rows. */
  toggle(row: number, between: boolean, keyOf: (row: number) => string | null): void {
    const key = keyOf(row);
    if (key === null) return;
    const on = !this.keys.has(key);
    const from = between && this.#anchor !== null ? this.#anchor : row;
    for (let at = Math.min(from, row); at <= Math.max(from, row); at += 1) this.#set(keyOf(at), on);
    this.#anchor = row;
  }

  /** All of them, or none of them when all are. */
  toggleAll(keys: readonly string[]): void {
    const on = !keys.every((key) => this.keys.has(key));
    for (const key of keys) this.#set(key, on);
  }

  clear(): void {
    this.keys.clear();
    this.#anchor = null;
  }

  #set(key: string | null, on: boolean): void {
    if (key === null) return;
    if (!on) this.keys.delete(key);
    else if (!this.full) this.keys.add(key);
  }
}
