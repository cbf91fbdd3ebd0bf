/** One line of figures for each kind: those that are configured, `other`, and what could not be told apart. */
import type { Analytics, AnalyticsGroup, KindCounts, Summary } from '../../lib/protocol';
import { ratio } from './trends';

export interface KindRow {
  key: string;
  /** null: names that were not kept apart, whose kind is not known. */
  kind: string | null;
  /** What goes on now; null where that is not counted. */
  live: Pick<KindCounts, 'active' | 'queued'> | null;
  ended: AnalyticsGroup | null;
  /** Ended a second, now / yesterday. */
  trend: number | null;
  before: AnalyticsGroup | null;
}

const NOTHING = { active: 0, queued: 0 } as const;

export function kindRows(
  kinds: readonly string[],
  summary: Summary | null,
  now: Analytics | null,
  before: Analytics | null,
): KindRow[] {
  const counted = Object.keys(summary?.by_kind ?? {});
  const ended = now?.groups.map(({ group }) => group).filter((group) => group !== null) ?? [];
  const named = [...new Set([...kinds, ...counted, ...ended])].filter((kind) => kind !== 'other');
  const rows = [...named, 'other'].map((kind) => rowOf(kind, summary, now, before));
  const unkept = rowOf(null, null, now, before);
  return unkept.ended === null ? rows : [...rows, unkept];
}

function rowOf(
  kind: string | null,
  summary: Summary | null,
  now: Analytics | null,
  before: Analytics | null,
): KindRow {
  const of = (answer: Analytics | null): AnalyticsGroup | null =>
    answer?.groups.find(({ group }) => group === kind) ?? null;
  const [ended, then] = [of(now), of(before)];
  // Kinds that no task is of (any more) are not counted.
  const live = kind === null || summary === null ? null : (summary.by_kind[kind] ?? NOTHING);
  return {
    key: kind ?? '',
    kind,
    live,
    ended,
    before: then,
    trend: ratio(ended?.per_second, then?.per_second),
  };
}
