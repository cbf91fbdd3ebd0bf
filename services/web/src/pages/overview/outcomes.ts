/** How tasks ended, as the parts of a bar. */
import { overview as words } from '$strings/overview';
import { count } from '../../lib/format';
import type { AnalyticsTotals } from '../../lib/protocol';

const OUTCOMES = ['succeeded', 'failed', 'rejected', 'lost', 'revoked'] as const;
type Counts = Pick<AnalyticsTotals, (typeof OUTCOMES)[number]>;

export function outcomesOf(counts: Counts | null): { tone: string; value: number; words: string }[] {
  if (counts === null) return [];
  return OUTCOMES.map((outcome) => ({
    tone: outcome,
    value: counts[outcome],
    words: words.outcome(count(counts[outcome]), outcome),
  }));
}
