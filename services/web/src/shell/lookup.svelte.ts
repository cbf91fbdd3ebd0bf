/** Task names to suggest, and the task of an id that was pasted. */
import { ApiError, fetchTask, get } from '../lib/api';
import type { Facets, TaskDetail } from '../lib/protocol';
import { mayBeId } from './finds';

export interface FoundTask {
  source: string;
  id: string;
  /** Not known where several sources have it. */
  task: TaskDetail | null;
}

const STILL_MS = 120;

export class Lookup {
  names = $state.raw<readonly string[]>([]);
  tasks = $state.raw<readonly FoundTask[]>([]);
  busy = $state(false);

  /** @returns what ends it. */
  loadNames(source: string | null): () => void {
    const abort = new AbortController();
    get<Facets>('api/tasks/facets', { source }, abort.signal).then(
      ({ facets }) =>
        (this.names = facets.name.values.map(({ value }) => value).filter((name) => name !== null)),
      () => undefined, // it is only a help
    );
    return () => {
      abort.abort();
    };
  }

  /** To be called in an effect. @returns what ends it. */
  find(typed: string): (() => void) | undefined {
    this.tasks = [];
    this.busy = mayBeId(typed);
    if (!this.busy) return undefined;
    const abort = new AbortController();
    const timer = setTimeout(() => void this.#ask(typed, abort.signal), STILL_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }

  async #ask(id: string, signal: AbortSignal): Promise<void> {
    const tasks = await ask(id, signal);
    if (signal.aborted) return;
    this.tasks = tasks;
    this.busy = false;
  }
}

async function ask(text: string, signal: AbortSignal): Promise<FoundTask[]> {
  try {
    const task = text.includes('/')
      ? await fetchTask(text, signal)
      : await get<TaskDetail>(`api/tasks/${encodeURIComponent(text)}`, {}, signal);
    return [{ source: task.source, id: task.id, task }];
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 409) return [];
    return error.sources.map((source) => ({ source, id: text, task: null }));
  }
}
