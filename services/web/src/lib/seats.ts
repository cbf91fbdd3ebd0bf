/** Elements of rows that left are taken for those that came: text is quicker to change than elements are to make. */

export class Seats {
  /** By key, in the order of the rows. */
  #taken: ReadonlyMap<string, number> = new Map();
  #made = 0;

  /** Whoever stays keeps the seat; newcomers get the free ones in their order, so that few elements move. */
  take(keys: readonly string[]): ReadonlyMap<string, number> {
    const staying = new Set(keys);
    const free = [...this.#taken].filter(([key]) => !staying.has(key)).map(([, seat]) => seat);
    let next = 0;
    this.#taken = new Map(
      keys.map((key) => [key, this.#taken.get(key) ?? free[next++] ?? this.#made++] as const),
    );
    return this.#taken;
  }
}
