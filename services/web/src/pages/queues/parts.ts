/** Where the tasks of a queue are, as far as it is known. */
import { queues } from '$strings/queues';
import { compact } from '../../lib/format';
import type { QueueView } from './shown';

export interface Part {
  tone: string;
  value: number;
  words: string;
}

const TONES = {
  waiting: 'queued',
  running: 'running',
  unacked: 'reserved',
  scheduled: 'scheduled',
  deferred: 'revoked',
  failed: 'failed',
} as const;
type Name = keyof typeof TONES;

/** Those that are known; none of them is zero. `ahead`: still to be done; `failed` ones are so no more. */
export function partsOf({ queue, running }: QueueView): { ahead: Part[]; failed: Part[] } {
  const { depth: waiting, unacked, scheduled, deferred, failed } = queue;
  const counts: Record<Name, number | null> = { waiting, running, unacked, scheduled, deferred, failed };
  const parts = (Object.keys(TONES) as Name[]).flatMap((name) => {
    const value = counts[name];
    return value === null || value === 0
      ? []
      : [{ tone: TONES[name], value, words: queues.cells.part(compact(value), name) }];
  });
  return {
    ahead: parts.filter((part) => part.tone !== TONES.failed),
    failed: parts.filter((part) => part.tone === TONES.failed),
  };
}
