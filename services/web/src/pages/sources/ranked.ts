/** Sources in the order in which somebody should look at them. */
import type { Source } from '../../lib/protocol';
import { ascending } from '../../lib/order';

const RANK = { down: 0, degraded: 2, starting: 3, up: 4 } as const;

export function rankedSources(sources: readonly Source[]): Source[] {
  return sources.toSorted((a, b) => rank(a) - rank(b) || ascending(a.name, b.name));
}

/** One that is up and whose news are old comes behind those that are down. */
function rank({ status, stale }: Source): number {
  return status !== 'down' && stale !== null ? 1 : RANK[status];
}

/** Where its status is the whole story. */
export function isWell({ status, stale }: Source): boolean {
  return status === 'up' && stale === null;
}
