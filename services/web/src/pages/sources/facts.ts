/** What is known of a source, as labelled values. */
import { sources as words } from '$strings/sources';
import type { Fact } from '../../components/value';
import { ago, count, duration, epoch } from '../../lib/format';
import type { Source, SourceHealth } from '../../lib/protocol';

const { facts: f, api } = words;

/** A heading with what it means; a value, or why it is not known. */
function fact([label, title]: readonly [string, string], value: string | null, why = ''): Fact {
  return { label, title, value, why };
}

/** A number that should be 0. */
function fault(head: readonly [string, string], value: number): Fact {
  return { ...fact(head, count(value)), bad: value > 0 };
}

/** The ones that tell most: for the list. */
export function mainFacts(source: Source): Fact[] {
  const { events_per_second: rate, lag_seconds: lag } = source;
  return [
    fact(f.rate, f.perSecond(rate === 0 ? '0' : rate.toFixed(rate < 10 ? 1 : 0))),
    fact(f.lag, lag === null ? null : duration(lag), f.noLag),
    fact(f.received, count(source.received)),
    fault(f.dropped, source.dropped),
    fault(f.malformed, source.malformed),
    fact(f.retained, count(source.retained)),
  ];
}

export function allFacts(source: Source, now: number): Fact[] {
  const told = epoch(source.at);
  const why = source.engine === 'rq' ? f.does : f.notKnown;
  const read = (on: boolean | null): string | null => (on === null ? null : on ? f.on : f.off);
  return [
    ...mainFacts(source),
    fact(f.late, count(source.late)),
    fact(f.evicted, count(source.evicted)),
    fault(f.uncounted, source.uncounted_queued),
    fact(f.events, read(source.events), why),
    fact(f.results, read(source.result_backend), why),
    fact(f.holder, source.holder, f.noHolder),
    fact(f.told, told === null ? null : ago(told, now), f.noTold),
  ];
}

export function apiFacts({ stale, tasks, position, snapshots, gaps, undecodable }: SourceHealth): Fact[] {
  return [
    { ...fact(api.current, stale ?? api.yes), bad: stale !== null },
    fact(api.tasks, count(tasks)),
    fact(api.position, position, api.noPosition),
    fact(api.snapshots, count(snapshots)),
    fact(api.gaps, count(gaps)),
    fault(api.undecodable, undecodable),
  ];
}
