/** How far this machine's clock is from the server's, and how old a message was when it came. */

const REMEMBERED = 64;
/** Below this the clocks count as equal, and all of the difference as lag. */
const TRUSTED_MS = 1_500;

export class Skew {
  readonly #seen: number[] = [];
  /** Milliseconds by which this clock is ahead. */
  offset = 0;

  /** Lag of a message in milliseconds; the smallest difference seen lately is taken for the clocks' own. */
  measure(at: number, now: number): number {
    this.#seen.push(now - at);
    if (this.#seen.length > REMEMBERED) this.#seen.shift();
    const least = Math.min(...this.#seen);
    this.offset = Math.abs(least) < TRUSTED_MS ? Math.min(0, least) : least;
    return now - at - this.offset;
  }
}
