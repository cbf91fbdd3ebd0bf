/** What the reader chose once and for all: kept in the browser. */

export class Stored<T> {
  value: T = $state.raw() as T;
  /** The browser refused to keep it. */
  refused = $state(false);
  readonly #key: string;

  /** `read` makes a value of whatever is stored, or of null. */
  constructor(key: string, read: (stored: unknown) => T) {
    this.#key = key;
    this.value = read(stored(key));
  }

  set(value: T): void {
    this.value = value;
    try {
      localStorage.setItem(this.#key, JSON.stringify(value));
      this.refused = false;
    } catch {
      this.refused = true; // forbidden or full: it lasts as long as the page
    }
  }
}

function stored(key: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(key) ?? 'null');
  } catch {
    return null;
  }
}
