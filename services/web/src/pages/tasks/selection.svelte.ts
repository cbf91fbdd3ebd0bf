/** The tasks that were chosen, by key; they stay chosen when they leave the view. */
import { MOST_KEYS } from './list.svelte';

export class Selection {
  keys = $state.raw<readonly string[]>([]);
  /** The row of the last choice: where a choice with shift begins. */
  #anchor: number | null = null;

  get full(): boolean {
    return this.keys.length >= MOST_KEYS;
  }

  /** The box of a row; `between`: all from the last one to this. `keyOf` knows the keys of rows. */
  toggle(row: number, between: boolean, keyOf: (row: number) => string | null): void {
    const key = keyOf(row);
    if (key === null) return;
    const from = between && this.#anchor !== null ? this.#anchor : row;
    const [first, last] = [Math.min(from, row), Math.max(from, row)];
    const keys = Array.from({ length: last - first + 1 }, (_, at) => keyOf(first + at) ?? []).flat();
    this.#set(keys, !this.keys.includes(key));
    this.#anchor = row;
  }

  /** All of them, or none of them when all are. */
  toggleAll(keys: readonly string[]): void {
    this.#set(keys, !keys.every((key) => this.keys.includes(key)));
  }

  clear(): void {
    this.keys = [];
    this.#anchor = null;
  }

  #set(keys: readonly string[], on: boolean): void {
    const others = this.keys.filter((key) => !keys.includes(key));
    const fresh = keys.filter((key) => !this.keys.includes(key));
    this.keys = on ? [...this.keys, ...fresh].slice(0, MOST_KEYS) : others;
  }
}
