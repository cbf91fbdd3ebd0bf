/** Workers that are not there (any more). */
import { epoch } from '../../lib/format';
import type { Worker } from '../../lib/protocol';
import { ascending } from '../../lib/order';

const RANK = { lost: 0, silent: 1, offline: 2, online: 3 } as const;

/** Lost ones first, then silent ones and those that said goodbye; the latest sign of life first. */
export function vanishedOf(workers: readonly Worker[]): Worker[] {
  return workers
    .filter(({ state }) => state !== 'online')
    .sort((a, b) => RANK[a.state] - RANK[b.state] || seen(b) - seen(a) || ascending(a.key, b.key));
}

const seen = (worker: Worker): number => epoch(worker.heartbeat_at) ?? 0;
