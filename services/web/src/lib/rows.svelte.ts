/** The rows of the table: in order and live, or held in place while somebody reads them. */
import { hold, RowMaker, view, type Held } from './hold';
import type { Live } from './live.svelte';
import type { Task } from './protocol';

/** How long the order holds after the pointer left the rows: enough to reach the button that shows what is new. */
const LEAVE_MS = 600;

export class Rows {
  readonly #live: Live;
  readonly #make = new RowMaker();
  #held = $state.raw<Held | null>(null);
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- only #held is watched
  readonly #reasons = new Set<string>();
  #leaving: ReturnType<typeof setTimeout> | null = null;
  paused = $state(false);
  /** Text that rows must contain; only what is shown is searched. */
  search = $state('');

  #view = $derived.by(() => view(this.#live.tasks, this.#held, this.#make));
  readonly fresh = $derived.by(() => this.#view.fresh);
  readonly all = $derived.by(() => this.#view.rows);
  readonly shown = $derived.by(() => {
    const words = this.search.trim().toLowerCase();
    return words === '' ? this.all : this.all.filter((row) => text(row.task).includes(words));
  });

  constructor(live: Live) {
    this.#live = live;
  }

  get held(): boolean {
    return this.#held !== null;
  }

  /** The pointer is on the rows, or on the button above them; between the two it may take a moment. */
  pointer(inside: boolean): void {
    if (this.#leaving !== null) clearTimeout(this.#leaving);
    this.#leaving = null;
    if (inside) this.keep('pointer');
    else
      this.#leaving = setTimeout(() => {
        this.release('pointer');
      }, LEAVE_MS);
  }

  /** Keep the order for `reason` (pointer, focus, scrolled) until it is let go. */
  keep(reason: string): void {
    this.#reasons.add(reason);
    if (this.#live.settled) this.#held ??= hold(this.#live.tasks, this.paused);
  }

  release(reason: string): void {
    this.#reasons.delete(reason);
    if (this.#reasons.size === 0 && !this.paused) this.#held = null;
  }

  pause(paused: boolean): void {
    this.paused = paused;
    this.#held = paused || this.#reasons.size > 0 ? hold(this.#live.tasks, paused) : null;
  }

  /** Show the newest order now; what held the rows goes on holding the new ones. */
  refresh(): void {
    if (this.#held !== null) this.#held = hold(this.#live.tasks, this.paused);
  }

  /** The answer to another question is there: whoever reads goes on with it. */
  settle(): void {
    if (this.#reasons.size > 0) this.#held ??= hold(this.#live.tasks, this.paused);
  }

  /** Another question was asked: nothing of the old answer is kept. */
  reset(): void {
    this.#held = null;
    this.paused = false;
  }
}

function text(task: Task): string {
  return [task.name, task.id, task.queue, task.worker, task.kind, task.exception_type, task.exception]
    .join(' ')
    .toLowerCase();
}
