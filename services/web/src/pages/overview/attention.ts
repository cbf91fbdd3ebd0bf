/** What needs somebody's attention, most urgent first. */
import { overview as words } from '$strings/overview';
import type { IconName } from '../../components/icons';
import { compact, count, duration, epoch } from '../../lib/format';
import type { Page, Patch } from '../../lib/location';
import type { Queue, Source, Worker } from '../../lib/protocol';
import { sentence } from '../../lib/reasons';
import type { Figures, Failures } from './asked';
import { failingSince, failuresOf, type Failing } from './failing';
import { growingQueues, isThere, type GrowingQueue } from './growing';
import { rate, share } from './text';
import { ratio } from './trends';

export interface Concern {
  key: string;
  severity: 'bad' | 'warn';
  icon: IconName;
  title: string;
  text: string;
  /** Epoch milliseconds; null: not known. */
  since: number | null;
  to: { page: Page; query?: Patch; item?: string };
}

export interface Seen {
  /** Epoch milliseconds, the server's. */
  now: number;
  sources: readonly Source[];
  workers: readonly Worker[];
  queues: readonly Queue[];
  figures: Figures | null;
  failures: Failures | null;
  /** Tasks that were lost, by worker. */
  lost: ReadonlyMap<string, number> | null;
}

/** A source that is starting for longer than this does not come up. */
const START_MS = 30_000;
/** So many failures of a name, and such a part of all, are worth a look; from the second on it is urgent. */
const FAILS = { least: 5, warn: 0.2, bad: 0.5 };
/** All together: so many failures, twice yesterday's rate, and so much above it. */
const WORSE = { least: 5, times: 2, points: 0.02, alone: 0.1 };
const MOST_NAMES = 3;
/** Fewer tasks than that are no basis for a comparison. */
const BASIS = 60;
const FEWER = 0.3;
const SLOWER = { times: 3, seconds: 10 };

export function concernsOf(seen: Seen): Concern[] {
  const found = [
    ...seen.sources.map((source) => ofSource(source, seen.now)),
    ...ofWorkers(seen),
    ...growingQueues(seen.queues, seen.workers, seen.figures?.now.queues ?? []).map(ofQueue),
    ...ofFailures(seen),
    ...ofFigures(seen.figures),
  ];
  const rank = { bad: 0, warn: 1 };
  // Stable: within a severity causes (sources, workers) stand before what follows from them.
  return found.filter((one) => one !== null).sort((a, b) => rank[a.severity] - rank[b.severity]);
}

export type Verdict = 'urgent' | 'ill' | 'stale' | 'partly' | 'reading' | 'quiet' | 'well';

/** All is well only when everything was looked at, and what was seen is current. */
export function verdictOf(known: {
  concerns: readonly Concern[];
  current: boolean;
  read: boolean;
  problem: boolean;
  /** A task or a worker was ever seen. */
  seen: boolean;
}): Verdict {
  const [first] = known.concerns;
  if (first !== undefined) return first.severity === 'bad' ? 'urgent' : 'ill';
  if (!known.current) return 'stale';
  if (known.read) return known.seen ? 'well' : 'quiet';
  return known.problem ? 'partly' : 'reading';
}

function ofSource(source: Source, now: number): Concern | null {
  const { name, status, reason, stale } = source;
  const since = epoch(source.since);
  const shared = {
    key: `source:${name}`,
    icon: 'sources',
    since,
    to: { page: 'sources', item: name },
  } as const;
  const why = sentence(reason ?? words.concern.noReason);
  if (status === 'down') return { ...shared, severity: 'bad', title: words.concern.down(name), text: why };
  if (stale !== null)
    return {
      ...shared,
      severity: 'bad',
      title: words.concern.stale(name),
      text: sentence(stale),
      since: null,
    };
  if (status === 'degraded')
    return { ...shared, severity: 'warn', title: words.concern.degraded(name), text: why };
  if (status === 'starting' && since !== null && now - since > START_MS)
    return { ...shared, severity: 'warn', title: words.concern.starting(name), text: why };
  return null;
}

function ofWorkers({ workers, sources, queues, lost }: Seen): Concern[] {
  const gone = workers.filter(({ state }) => state === 'lost');
  const silent = workers.filter(({ state }) => state === 'silent');
  const tasks = lost === null ? null : gone.reduce((sum, { name }) => sum + (lost.get(name) ?? 0), 0);
  return [
    ...sources.map((source) => abandoned(source, workers, queues)),
    aboutWorkers(gone, 'bad', words.concern.lost, words.concern.lostText(tasks)),
    aboutWorkers(silent, 'warn', words.concern.silent, words.concern.silentText),
  ].filter((concern) => concern !== null);
}

/** Tasks wait, and no worker of the source is there. */
function abandoned(source: Source, workers: readonly Worker[], queues: readonly Queue[]): Concern | null {
  const { name, status } = source;
  const waiting = queues.reduce((sum, queue) => sum + (queue.source === name ? (queue.depth ?? 0) : 0), 0);
  const served = workers.some((worker) => worker.source === name && isThere(worker.state));
  if (served || waiting === 0 || status === 'down' || status === 'starting') return null;
  return {
    ...{ key: `nobody:${name}`, severity: 'bad', icon: 'workers', since: null },
    ...{ title: words.concern.nobody, text: words.concern.nobodyText(name, waiting) },
    to: { page: 'workers', query: { source: name } },
  };
}

function aboutWorkers(
  workers: readonly Worker[],
  severity: Concern['severity'],
  title: (names: readonly string[]) => string,
  text: string,
): Concern | null {
  const [first] = workers;
  if (first === undefined) return null;
  const names = workers.map(({ name }) => name);
  const listed = words.concern.names(names.slice(0, MOST_NAMES), names.length - MOST_NAMES);
  const signs = workers.map((worker) => epoch(worker.heartbeat_at)).filter((at) => at !== null);
  return {
    ...{ key: `workers:${first.state}`, severity, icon: 'workers', title: title(names) },
    text: names.length > 1 ? `${listed} ${text}` : text,
    since: signs.length === 0 ? null : Math.min(...signs),
    to:
      names.length > 1
        ? { page: 'workers', query: { state: first.state } }
        : { page: 'workers', item: first.key },
  };
}

function ofQueue({ queue, drain, unserved, least }: GrowingQueue): Concern {
  const depth = queue.depth ?? 0;
  const shared = {
    key: `queue:${queue.key}`,
    icon: 'queues',
    to: { page: 'queues', item: queue.key },
  } as const;
  if (unserved) {
    const text = words.concern.unservedText(depth);
    return {
      ...shared,
      severity: 'bad',
      title: words.concern.unserved(queue.name),
      text,
      since: epoch(queue.oldest_at),
    };
  }
  const [came, left] = [drain?.in_per_second ?? null, drain?.finished_per_second ?? null];
  const rates = came === null || left === null ? '' : words.concern.rates(rate(came * 60), rate(left * 60));
  return {
    ...{ ...shared, severity: 'warn', title: words.concern.grows(queue.name), since: least?.at ?? null },
    text: words.concern.growsText(compact(depth), compact(least?.depth ?? 0), rates),
  };
}

function ofFailures({ failures, figures }: Seen): (Concern | null)[] {
  if (failures === null) return [];
  const names = failures.failing
    .filter(({ failed, rate }) => failed >= FAILS.least && rate >= FAILS.warn)
    .slice(0, MOST_NAMES)
    .map((row) => ofName(row, failures));
  // Where names stand out, they are the cause.
  return names.length > 0 || figures === null ? names : [worse(figures)];
}

function ofName(row: Failing, { courses, starts }: Failures): Concern {
  const { name, failed, all, last } = row;
  const why = last?.exception_type == null ? '' : words.concern.last(last.exception_type);
  const course = courses.find(({ group }) => group === name);
  return {
    ...{ key: `fails:${name}`, severity: row.rate >= FAILS.bad ? 'bad' : 'warn', icon: 'failed' },
    title: words.concern.fails(name),
    text: words.concern.failsText(count(failed), count(all), share(row.rate), why),
    since: failingSince(course, starts),
    to: { page: 'tasks', query: { state: 'failed,rejected,lost', name } },
  };
}

function worse({ now, before, window }: Figures): Concern | null {
  const failed = failuresOf(now.totals);
  const rate = now.totals.success_rate === null ? 0 : 1 - now.totals.success_rate;
  const then = before?.totals.success_rate == null ? null : 1 - before.totals.success_rate;
  const least = then === null ? WORSE.alone : Math.max(then * WORSE.times, then + WORSE.points);
  if (failed < WORSE.least || rate < least) return null;
  return {
    ...{
      key: 'worse',
      severity: 'warn',
      icon: 'failed',
      since: null,
      title: words.concern.worse(share(rate)),
    },
    text: words.concern.worseText(then === null ? words.figures.nothingYesterday : share(then)),
    to: { page: 'analytics', query: { window } },
  };
}

function ofFigures(figures: Figures | null): (Concern | null)[] {
  if (figures?.before == null) return [];
  const { now, before, window } = figures;
  const to = { page: 'analytics', query: { window } } as const;
  const shared = { severity: 'warn', since: null, to } as const;
  return [
    fewer(now.totals.per_second, before.totals.per_second, before.totals.finished, shared),
    slower('wait', now.totals.wait?.p95, before.totals.wait?.p95, shared),
    slower('runtime', now.totals.runtime?.p95, before.totals.runtime?.p95, shared),
  ];
}

type Shared = Pick<Concern, 'severity' | 'since' | 'to'>;

function fewer(now: number | null, before: number | null, basis: number, shared: Shared): Concern | null {
  const change = ratio(now, before);
  if (now === null || before === null || change === null || change > FEWER || basis < BASIS) return null;
  const text = words.concern.fewerText(rate(now * 60), rate(before * 60));
  return { ...shared, key: 'fewer', icon: 'down', title: words.concern.fewer, text };
}

function slower(
  what: 'wait' | 'runtime',
  now: number | null | undefined,
  before: number | null | undefined,
  shared: Shared,
): Concern | null {
  const change = ratio(now, before);
  if (now == null || before == null || change === null) return null;
  if (change < SLOWER.times || now < SLOWER.seconds) return null;
  const text = words.concern.slowerText(duration(now), duration(before));
  return { ...shared, key: what, icon: 'scheduled', title: words.concern[what], text };
}
