/** The REST calls of the page. */
import { common } from '$strings/common';
import { endpoint } from './base';
import { splitKey, type Patch } from './location';
import type { KindList, Problem, TaskDetail } from './protocol';
import { REFUSED } from './session-events';
import { newTrace } from './trace';

/** An answer that is not 2xx, or none at all (`status` 0). */
export class ApiError extends Error {
  readonly status: number;
  /** The parameter that is wrong, if the api says so. */
  readonly field: string | null;
  /** When to ask again, if the api says so. */
  readonly retrySeconds: number | null;

  /** Those that have the id, where several do (409). */
  readonly sources: readonly string[];

  constructor(
    status: number,
    message: string,
    field: string | null = null,
    retrySeconds: number | null = null,
    sources: readonly string[] = [],
  ) {
    super(message);
    this.status = status;
    this.field = field;
    this.retrySeconds = retrySeconds;
    this.sources = sources;
  }

  /** Whatever was thrown; null: no answer came in time. */
  static of(error: unknown): ApiError {
    if (error instanceof ApiError) return error;
    return new ApiError(
      0,
      error === null ? common.tooLate : error instanceof Error ? error.message : common.unreachable,
    );
  }
}

/** What a query may hold: null and empty values are left out, lists stand between commas. */
export type Query = Patch;

/** `path` is relative to the page: `api/tasks`. Raises `ApiError`. */
export async function get<T>(path: string, query: Query, signal: AbortSignal): Promise<T> {
  let response: Response;
  try {
    response = await fetch(endpoint(withQuery(path, query)), {
      signal,
      headers: { accept: 'application/json', ...newTrace() },
    });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new ApiError(0, common.unreachable);
  }
  if (!response.ok) throw await refused(response);
  return (await response.json()) as T;
}

/** `path` with its query, as `get` asks and links (exports, raw JSON) lead to. */
export function withQuery(path: string, query: Query): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    const text = typeof value === 'object' ? (value ?? []).join(',') : String(value);
    if (text !== '') search.append(name, text);
  }
  return search.size > 0 ? `${path}?${search}` : path;
}

async function refused(response: Response): Promise<ApiError> {
  if (response.status === 401) dispatchEvent(new Event(REFUSED));
  const retry = Number(response.headers.get('retry-after') ?? '');
  try {
    const body = (await response.json()) as Partial<Problem>;
    return new ApiError(
      response.status,
      body.detail ?? body.title ?? response.statusText,
      body.field ?? null,
      retry > 0 ? retry : null,
      body.sources ?? [],
    );
  } catch {
    return new ApiError(response.status, response.statusText || common.unreachable);
  }
}

/** The configured kinds in order; `other` is not among them. */
export async function fetchKinds(signal: AbortSignal): Promise<string[]> {
  const body = await get<KindList>('api/kinds', {}, signal);
  return body.items.map((item) => item.name).filter((name) => name !== 'other');
}

/** The address of one task: `key` is `source/id`, and an id may hold any character; an id alone may be ambiguous. */
export function taskPath(key: string): string {
  if (!key.includes('/')) return `api/tasks/${encodeURIComponent(key)}`;
  return `api/tasks/${splitKey(key).map(encodeURIComponent).join('/')}`;
}

export async function fetchTask(key: string, signal: AbortSignal): Promise<TaskDetail> {
  return get<TaskDetail>(taskPath(key), {}, signal);
}
