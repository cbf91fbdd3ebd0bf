/** The keys that do something now: those of the shell and of the page that is open. */

export interface Shortcut {
  /** `KeyboardEvent.key`, or two of them after each other: `g t`. */
  key: string;
  /** What it does, for the sheet. */
  words: string;
  run: () => void;
  /** It is the shell's, not the page's that is open. */
  everywhere?: boolean;
}

export class Shortcuts {
  all = $state.raw<readonly Shortcut[]>([]);
  #first: string | null = null;

  /** @returns what takes them away again; to be called in an effect or on mount. */
  add(...more: Shortcut[]): () => void {
    this.all = [...this.all, ...more];
    return () => {
      this.all = this.all.filter((shortcut) => !more.includes(shortcut));
    };
  }

  /** Whether the key meant something. */
  press(key: string): boolean {
    const both = this.#first === null ? null : `${this.#first} ${key}`;
    const found = this.all.findLast((shortcut) => shortcut.key === both || shortcut.key === key);
    const begins = this.all.some((shortcut) => shortcut.key.startsWith(`${key} `));
    this.#first = found === undefined && begins ? key : null;
    found?.run();
    return found !== undefined || begins;
  }
}
