/** The REST calls of the page. */
import { endpoint } from './base';
import type { KindList, Problem, TaskDetail } from './protocol';
import { newTrace } from './trace';

/** An answer that is not 2xx, or none at all (`status` 0). */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

async function get(path: string, signal: AbortSignal): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(endpoint(path), {
      signal,
      headers: { accept: 'application/json', ...newTrace() },
    });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new ApiError(0, 'The api cannot be reached.');
  }
  if (!response.ok) throw new ApiError(response.status, await problem(response));
  return response.json();
}

async function problem(response: Response): Promise<string> {
  try {
    const body = (await response.json()) as Partial<Problem>;
    return body.detail ?? body.title ?? response.statusText;
  } catch {
    return response.statusText;
  }
}

/** The configured kinds in order; `other` is not among them. */
export async function fetchKinds(signal: AbortSignal): Promise<string[]> {
  const body = (await get('api/kinds', signal)) as KindList;
  return body.items.map((item) => item.name).filter((name) => name !== 'other');
}

/** `key` is `source/id`; an id may hold any character. */
export async function fetchTask(key: string, signal: AbortSignal): Promise<TaskDetail> {
  const slash = key.indexOf('/');
  const [source, id] = [key.slice(0, slash), key.slice(slash + 1)];
  const path = `api/tasks/${encodeURIComponent(source)}/${encodeURIComponent(id)}`;
  return (await get(path, signal)) as TaskDetail;
}
