/** Keeps the rows as new as they may be: anew each two seconds while something changes, in their places while somebody reads. */
import type { Monitor } from '../../lib/monitor';
import type { TasksPage } from './page.svelte';

const EVERY_MS = 2000;
/** Without news of changes (no connection) rows are asked for so often. */
const BLIND_MS = 5000;
/** How long the rows hold after the pointer left: enough to reach the button that shows what is new. */
const LEAVE_MS = 600;

export class Follow {
  readonly #page: TasksPage;
  readonly #monitor: Monitor;
  #reasons = $state.raw<readonly string[]>([]);
  #leaving: ReturnType<typeof setTimeout> | null = null;
  /** What the api said of everything when the rows were asked for last. */
  #known = '';
  #at = 0;

  constructor(page: TasksPage, monitor: Monitor) {
    this.#page = page;
    this.#monitor = monitor;
  }

  get held(): boolean {
    return this.#reasons.length > 0;
  }

  hold(reason: string, on: boolean): void {
    if (this.#reasons.includes(reason) === on) return;
    this.#reasons = on ? [...this.#reasons, reason] : this.#reasons.filter((other) => other !== reason);
  }

  pointer(inside: boolean): void {
    if (this.#leaving !== null) clearTimeout(this.#leaving);
    if (inside) this.hold('pointer', true);
    else
      this.#leaving = setTimeout(() => {
        this.hold('pointer', false);
      }, LEAVE_MS);
  }

  stop(): void {
    if (this.#leaving !== null) clearTimeout(this.#leaving);
  }

  /** Each second; `keys`: the rows in view. */
  tick(now: number, keys: readonly string[]): void {
    const { list, problems } = this.#page;
    const connected = this.#monitor.live.link === 'live';
    const due = now - this.#at >= (connected ? EVERY_MS : BLIND_MS);
    if (!due || document.hidden || list.asking || list.total === null || problems.length > 0) return;
    const news = this.#news();
    if (connected && news === this.#known) return;
    this.#known = news;
    this.#at = now;
    if (this.held) void list.look(this.#page.ask(), keys);
    else list.refresh(this.#page.ask());
  }

  newest(): void {
    this.#known = this.#news();
    this.#at = this.#monitor.clock.now;
    this.#page.list.refresh(this.#page.ask());
  }

  #news(): string {
    const { summary, tasks, total } = this.#monitor.live;
    return JSON.stringify([summary, tasks[0]?.version, total]);
  }
}
