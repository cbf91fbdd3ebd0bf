/** The slowest attempts of an answer: those of all, and of each group. */
import type { Analytics, AnalyticsExample } from '../../lib/protocol';

export interface Slow {
  key: string;
  example: AnalyticsExample;
  /** Of which group; null: that is not kept with the slowest of all. */
  group: string | null;
  kind: string | null;
}

const MOST = 50;

/** The slowest first, each once. */
export function slowestOf({ groups, slowest }: Analytics): Slow[] {
  const found = new Map<string, Slow>();
  const add = (example: AnalyticsExample, group: string | null, kind: string | null): void => {
    const key = `${example.source}/${example.id} ${example.ended_at}`;
    if (example.seconds !== null && !found.has(key)) found.set(key, { key, example, group, kind });
  };
  for (const { group, kind, slowest: own } of groups) for (const example of own) add(example, group, kind);
  for (const example of slowest) add(example, null, null);
  return [...found.values()]
    .sort((one, other) => (other.example.seconds ?? 0) - (one.example.seconds ?? 0))
    .slice(0, MOST);
}
