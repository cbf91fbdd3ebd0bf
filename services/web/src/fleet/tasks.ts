/** Short lists of tasks that a worker or a queue has. */
import { get, type Query } from '../lib/api';
import { ROW_FIELDS, type TaskListOf } from '../lib/protocol';

/** A source, and a worker or a queue of it. */
export interface Whose extends Query {
  source: string;
}
export type Lines = TaskListOf<(typeof ROW_FIELDS)[number]>;

const LINES = 20;

function ask(query: Query, signal: AbortSignal): Promise<Lines> {
  return get<Lines>('api/tasks', { limit: LINES, fields: ROW_FIELDS, ...query }, signal);
}

/** What runs there, longest first, then what was fetched. Raises `ApiError`. */
export function held(whose: Whose, signal: AbortSignal): Promise<Lines> {
  return ask({ ...whose, state: ['running', 'reserved'], sort: 'live' }, signal);
}

/** What failed there or was lost, newest first. Raises `ApiError`. */
export function failures(whose: Whose, signal: AbortSignal): Promise<Lines> {
  return ask({ ...whose, state: ['failed', 'lost'], sort: '-finished_at', limit: 8 }, signal);
}

/** What waits there, in the order of sending. Raises `ApiError`. */
export function waiting(whose: Whose, signal: AbortSignal): Promise<Lines> {
  return ask({ ...whose, state: 'queued', sort: 'sent_at' }, signal);
}
