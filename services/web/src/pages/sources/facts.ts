/** What is known of a source, as labelled values. */
import { sources as words } from '$strings/sources';
import type { Fact } from '../../components/value';
import { ago, count, duration, epoch } from '../../lib/format';
import type { Source, SourceHealth } from '../../lib/protocol';

const { facts: f, api } = words;

/** The ones that tell most: for the list. */
export function mainFacts(source: Source): Fact[] {
  const { events_per_second: rate, lag_seconds: lag } = source;
  return [
    {
      label: f.rate,
      value: f.perSecond(rate === 0 ? '0' : rate.toFixed(rate < 10 ? 1 : 0)),
      title: f.titles.rate,
    },
    { label: f.lag, value: lag === null ? null : duration(lag), why: f.noLag, title: f.titles.lag },
    plain('received', source.received),
    fault('dropped', source.dropped),
    fault('malformed', source.malformed),
    plain('retained', source.retained),
  ];
}

export function allFacts(source: Source, now: number): Fact[] {
  const told = epoch(source.at);
  return [
    ...mainFacts(source),
    plain('late', source.late),
    plain('evicted', source.evicted),
    fault('uncounted', source.uncounted_queued),
    switched('events', source.events, source.engine),
    switched('results', source.result_backend, source.engine),
    { label: f.holder, value: source.holder, why: f.noHolder, title: f.titles.holder },
    { label: f.told, value: told === null ? null : ago(told, now), why: f.noTold, title: f.titles.told },
  ];
}

export function apiFacts(health: SourceHealth): Fact[] {
  return [
    {
      label: api.current,
      value: health.stale ?? api.yes,
      title: api.titles.current,
      bad: health.stale !== null,
    },
    { label: api.tasks, value: count(health.tasks), title: api.titles.tasks },
    { label: api.position, value: health.position, why: api.noPosition, title: api.titles.position },
    { label: api.snapshots, value: count(health.snapshots), title: api.titles.snapshots },
    { label: api.gaps, value: count(health.gaps), title: api.titles.gaps },
    {
      ...{ label: api.undecodable, value: count(health.undecodable), title: api.titles.undecodable },
      bad: health.undecodable > 0,
    },
  ];
}

type Counted = 'received' | 'dropped' | 'malformed' | 'late' | 'retained' | 'evicted' | 'uncounted';

function plain(name: Counted, value: number): Fact {
  return { label: f[name], value: count(value), title: f.titles[name] };
}

function fault(name: Counted, value: number): Fact {
  return { ...plain(name, value), bad: value > 0 };
}

function switched(name: 'events' | 'results', on: boolean | null, engine: Source['engine']): Fact {
  const value = on === null ? null : on ? f.on : f.off;
  return { label: f[name], value, why: engine === 'rq' ? f.does : f.notKnown, title: f.titles[name] };
}
