/** The server's time as this page sees it, once a second. */
import { Skew } from './skew';

export class Clock {
  /** Epoch milliseconds, on the server's clock. */
  now = $state(Date.now());
  /** Epoch milliseconds, on this machine's clock. */
  wall = $state(Date.now());
  readonly #skew = new Skew();

  start(): () => void {
    const timer = setInterval(() => {
      this.tick();
    }, 1000);
    return () => {
      clearInterval(timer);
    };
  }

  tick(): void {
    this.wall = Date.now();
    this.now = this.wall - this.#skew.offset;
  }

  /** Lag in milliseconds of a message that was made at `at`. */
  heard(at: number): number {
    return this.#skew.measure(at, Date.now());
  }
}
