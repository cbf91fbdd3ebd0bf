/** Rows that stay where they are while somebody points at them. */
import { ascending } from '../lib/order';

export interface Held {
  /** What they were ordered by: another order is not held by it. */
  question: string;
  keys: readonly string[];
}

/** `rows` in the order of `held` keys; what is new comes behind them. Null: nothing is held. */
export function inPlace<T extends { key: string }>(rows: readonly T[], held: readonly string[] | null): T[] {
  if (held === null) return [...rows];
  const place = new Map(held.map((key, index) => [key, index]));
  const of = (row: T): number => place.get(row.key) ?? held.length;
  return rows
    .map((row, index) => ({ row, index }))
    .sort((a, b) => of(a.row) - of(b.row) || a.index - b.index)
    .map(({ row }) => row);
}

/** A value that rows are ordered by; null is unknown. */
export type Value = number | string | null;

/** Below zero: `a` comes first. What is unknown comes last in both directions. */
export function compared(a: Value, b: Value, descending: boolean): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  const order = typeof a === 'string' && typeof b === 'string' ? ascending(a, b) : a < b ? -1 : a > b ? 1 : 0;
  return descending ? -order : order;
}

export interface Sorting<Field extends string> {
  field: Field;
  descending: boolean;
}

/** `-busy` → by busy, descending; anything unknown is the first of `fields`. */
export function parseSorting<Field extends string>(
  text: string | null,
  fields: readonly [Field, ...Field[]],
): Sorting<Field> {
  const descending = text?.startsWith('-') ?? false;
  const field = fields.find((known) => known === (descending ? text?.slice(1) : text));
  return field === undefined ? { field: fields[0], descending: false } : { field, descending };
}
