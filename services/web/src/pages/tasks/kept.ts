/** The pages of rows that are held, a bounded number of them. */
import type { Task } from '../../lib/protocol';

export const PAGE = 100;
/** Pages that are kept; those far from the view go first. */
const KEPT = 24;

/** A row as far as its identity goes. */
type Row = Pick<Task, 'key' | 'version'>;

export class KeptPages<T extends Row> {
  readonly #pages = new Map<number, T[]>();

  has(page: number): boolean {
    return this.#pages.has(page);
  }

  /** The row at that place; null: it is not held. */
  at(index: number): T | null {
    return this.#pages.get(Math.floor(index / PAGE))?.[index % PAGE] ?? null;
  }

  /** `anew`: what was held belongs to the past. What did not change stays the same object: it is not drawn anew. */
  put(page: number, rows: readonly T[], anew: boolean): void {
    const before = new Map([...this.#pages.values()].flat().map((row) => [row.key, row]));
    if (anew) this.#pages.clear();
    this.#pages.set(
      page,
      rows.map((row) => same(before.get(row.key), row)),
    );
  }

  /** Newer contents for rows that keep their places. */
  renew(rows: readonly T[]): void {
    const fresh = new Map(rows.map((row) => [row.key, row]));
    for (const [page, held] of this.#pages)
      this.#pages.set(
        page,
        held.map((row) => same(row, fresh.get(row.key) ?? row)),
      );
  }

  /** Let go of those far from that row. */
  forget(index: number): void {
    const middle = index / PAGE;
    const far = [...this.#pages.keys()].sort((a, b) => Math.abs(b - middle) - Math.abs(a - middle));
    for (const page of far.slice(0, Math.max(0, far.length - KEPT))) this.#pages.delete(page);
  }

  /** How the list begins now, beside how it is held. */
  compare(now: readonly Row[]): { fresh: number; changed: boolean } {
    const held = this.#pages.get(0) ?? [];
    const keys = new Set(held.map((row) => row.key));
    return {
      fresh: held.length === 0 ? 0 : now.filter((row) => !keys.has(row.key)).length,
      changed: now.some((row, index) => row.key !== held[index]?.key),
    };
  }
}

function same<T extends Row>(before: T | undefined, now: T): T {
  return before?.version === now.version ? before : now;
}
