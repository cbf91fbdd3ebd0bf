/** What each worker did in the last hour. */
import { ended, total, wrong, type Counts } from '../../fleet/counts';
import { get, type Query } from '../../lib/api';
import type { Analytics, Worker } from '../../lib/protocol';

export interface Hour {
  /** Attempts that ended without a retry, and those that failed or were lost among them. */
  finished: number;
  failed: number;
  /** The same in each two minutes; null for all but the busiest. */
  ended: Counts | null;
  wrong: Counts | null;
}

const QUESTION: Query = { window: '1h', bucket: '2m', group_by: 'worker', series: 50 };

/** By `source/name`. Raises `ApiError`. */
export async function askHours(sources: readonly string[], signal: AbortSignal): Promise<Map<string, Hour>> {
  const answers = await Promise.all(
    sources.map(async (source) => {
      const answer = await get<Analytics>('api/tasks/analytics', { ...QUESTION, source }, signal);
      return hoursOf(source, answer);
    }),
  );
  return new Map(answers.flat());
}

/** Analytics tells workers apart by their names, and two sources may have one of the same name: each is asked for itself. */
export function sourcesOf(workers: readonly Worker[], source: string | null): string[] {
  const all = [...new Set(workers.map((worker) => worker.source))].sort();
  return source === null ? all : all.filter((name) => name === source);
}

function hoursOf(source: string, answer: Analytics): [string, Hour][] {
  const series = new Map(answer.series?.groups.map((columns) => [columns.group, columns]));
  return answer.groups.map((group) => {
    const columns = series.get(group.group);
    const hour: Hour = {
      finished: group.finished,
      failed: group.failed + group.lost,
      ended: columns === undefined ? null : ended(columns),
      wrong: columns === undefined ? null : wrong(columns),
    };
    return [`${source}/${group.group ?? ''}`, hour];
  });
}

/** The latest tasks of all of them, for the summary. */
export function together(hours: ReadonlyMap<string, Hour>): { finished: number; failed: number } {
  const all = [...hours.values()];
  return {
    finished: total(all.map((hour) => hour.finished)),
    failed: total(all.map((hour) => hour.failed)),
  };
}
