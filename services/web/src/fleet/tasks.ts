/** Short lists of tasks that a worker or a queue has. */
import { get, type Query } from '../lib/api';
import { ROW_FIELDS, type TaskListOf } from '../lib/protocol';

/** A source, and a worker or a queue of it. */
export interface Whose extends Query {
  source: string;
}
export type Lines = TaskListOf<(typeof ROW_FIELDS)[number]>;

const QUESTIONS = {
  /** What runs there, longest first, then what was fetched. */
  held: { state: ['running', 'reserved'], sort: 'live' },
  /** What failed there or was lost, newest first. */
  failures: { state: ['failed', 'lost'], sort: '-finished_at', limit: 8 },
  /** What waits there, in the order of sending. */
  waiting: { state: 'queued', sort: 'sent_at' },
} satisfies Record<string, Query>;
export type What = keyof typeof QUESTIONS;

/** Raises `ApiError`. */
export function askLines(what: What, whose: Whose, signal: AbortSignal): Promise<Lines> {
  return get<Lines>('api/tasks', { limit: 20, fields: ROW_FIELDS, ...whose, ...QUESTIONS[what] }, signal);
}
