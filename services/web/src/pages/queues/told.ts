/** What the api reckons of queues: asked for again and again. */
import { get } from '../../lib/api';
import { epoch } from '../../lib/format';
import type { Analytics, Facets } from '../../lib/protocol';
import type { Told } from './shown';

/** Raises `ApiError`. */
export async function askTold(
  sources: readonly string[],
  source: string | null,
  signal: AbortSignal,
): Promise<Told> {
  const drains = get<Analytics>(
    'api/tasks/analytics',
    { window: '15m', group_by: 'source', series: 0, groups: 0, source },
    signal,
  );
  // Together: a question that fails while another one is waited for would be nobody's to hear of.
  const [answer, ...running] = await Promise.all([drains, ...sources.map((name) => runningOf(name, signal))]);
  return {
    drains: new Map(answer.queues.map((drain) => [`${drain.source}/${drain.queue}`, drain])),
    running: new Map(running.flat()),
    read: epoch(answer.at) ?? 0,
  };
}

/** A broker of Celery does not know what runs: Taskscope counts what it sees. */
async function runningOf(source: string, signal: AbortSignal): Promise<[string, number][]> {
  const { facets } = await get<Facets>('api/tasks/facets', { source, state: 'running', limit: 100 }, signal);
  return facets.queue.values.map(({ value, count }) => [`${source}/${value ?? ''}`, count]);
}
