/** What needs somebody's attention, most urgent first. */
import { overview } from '$strings/overview';
import type { IconName } from '../../components/icons';
import { isThere } from '../../fleet/there';
import { compact, count, duration, epoch } from '../../lib/format';
import type { Page, Patch } from '../../lib/location';
import type { Queue, Source, Worker } from '../../lib/protocol';
import { sentence } from '../../lib/reasons';
import type { Figures, Failures } from './asked';
import { failingSince, failuresOf, type Failing } from './failing';
import { growingQueues, type GrowingQueue } from './growing';
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

const words = overview.concern;
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

type Place = Concern['to'];

function ofSource(source: Source, now: number): Concern | null {
  const { name, status, reason, stale } = source;
  const since = epoch(source.since);
  const say = (severity: Concern['severity'], title: string, text: string | null, at = since): Concern => ({
    ...{ key: `source:${name}`, icon: 'sources', to: { page: 'sources', item: name } },
    ...{ severity, title, text: sentence(text ?? words.noReason), since: at },
  });
  if (status === 'down') return say('bad', words.down(name), reason);
  if (stale !== null) return say('bad', words.stale(name), stale, null);
  if (status === 'degraded') return say('warn', words.degraded(name), reason);
  const late = status === 'starting' && since !== null && now - since > START_MS;
  return late ? say('warn', words.starting(name), reason) : null;
}

function ofWorkers({ workers, sources, queues, lost }: Seen): Concern[] {
  const gone = workers.filter(({ state }) => state === 'lost');
  const silent = workers.filter(({ state }) => state === 'silent');
  const tasks = lost === null ? null : gone.reduce((sum, { name }) => sum + (lost.get(name) ?? 0), 0);
  return [
    ...sources.map((source) => abandoned(source, workers, queues)),
    aboutWorkers(gone, 'lost', words.lostText(tasks)),
    aboutWorkers(silent, 'silent', words.silentText),
  ].filter((concern) => concern !== null);
}

/** Tasks wait, and no worker of the source is there. */
function abandoned(source: Source, workers: readonly Worker[], queues: readonly Queue[]): Concern | null {
  const { name, status } = source;
  const waiting = queues.reduce((sum, queue) => sum + (queue.source === name ? (queue.depth ?? 0) : 0), 0);
  const served = workers.some((worker) => worker.source === name && isThere(worker));
  if (served || waiting === 0 || status === 'down' || status === 'starting') return null;
  return {
    ...{ key: `nobody:${name}`, severity: 'bad', icon: 'workers', since: null },
    ...{ title: words.nobody, text: words.nobodyText(name, waiting) },
    to: { page: 'workers', query: { source: name } },
  };
}

function aboutWorkers(workers: readonly Worker[], state: 'lost' | 'silent', text: string): Concern | null {
  const [first] = workers;
  if (first === undefined) return null;
  const names = workers.map(({ name }) => name);
  const one = names.length === 1;
  const listed = words.names(names.slice(0, MOST_NAMES), names.length - MOST_NAMES);
  const signs = workers.map((worker) => epoch(worker.heartbeat_at)).filter((at) => at !== null);
  return {
    ...{ key: `workers:${state}`, icon: 'workers', title: words.workers(names, state) },
    severity: state === 'lost' ? 'bad' : 'warn',
    text: one ? text : `${listed} ${text}`,
    since: signs.length === 0 ? null : Math.min(...signs),
    to: { page: 'workers', ...(one ? { item: first.key } : { query: { state } }) },
  };
}

function ofQueue({ queue, drain, unserved, least }: GrowingQueue): Concern {
  const { key, name } = queue;
  const depth = queue.depth ?? 0;
  const shared = { key: `queue:${key}`, icon: 'queues', to: { page: 'queues', item: key } } as const;
  if (unserved)
    return {
      ...{ ...shared, severity: 'bad', title: words.unserved(name), text: words.unservedText(depth) },
      since: epoch(queue.oldest_at),
    };
  const [came, left] = [drain?.in_per_second ?? null, drain?.finished_per_second ?? null];
  const rates = came === null || left === null ? '' : words.rates(rate(came * 60), rate(left * 60));
  return {
    ...{ ...shared, severity: 'warn', title: words.grows(name), since: least?.at ?? null },
    text: words.growsText(compact(depth), compact(least?.depth ?? 0), rates),
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
  const why = last?.exception_type == null ? '' : words.last(last.exception_type);
  const course = courses.find(({ group }) => group === name);
  return {
    ...{ key: `fails:${name}`, severity: row.rate >= FAILS.bad ? 'bad' : 'warn', icon: 'failed' },
    ...{ title: words.fails(name), since: failingSince(course, starts) },
    text: words.failsText(count(failed), count(all), share(row.rate), why),
    to: { page: 'tasks', query: { state: 'failed,rejected,lost', name } },
  };
}

/** About the figures of the whole window. */
function ofWindow(window: string, key: string, icon: IconName, title: string, text: string): Concern {
  const to: Place = { page: 'analytics', query: { window } };
  return { key, icon, title, text, to, severity: 'warn', since: null };
}

function worse({ now, before, window }: Figures): Concern | null {
  const failed = failuresOf(now.totals);
  const rate = now.totals.success_rate === null ? 0 : 1 - now.totals.success_rate;
  const then = before?.totals.success_rate == null ? null : 1 - before.totals.success_rate;
  const least = then === null ? WORSE.alone : Math.max(then * WORSE.times, then + WORSE.points);
  if (failed < WORSE.least || rate < least) return null;
  const text = words.worseText(then === null ? overview.figures.nothingYesterday : share(then));
  return ofWindow(window, 'worse', 'failed', words.worse(share(rate)), text);
}

function ofFigures(figures: Figures | null): (Concern | null)[] {
  return figures === null ? [] : [fewer(figures), slower('wait', figures), slower('runtime', figures)];
}

function fewer({ now, before, window }: Figures): Concern | null {
  const [ends, ended] = [now.totals.per_second, before?.totals.per_second];
  const change = ratio(ends, ended);
  if (ends == null || ended == null || change === null || change > FEWER) return null;
  if ((before?.totals.finished ?? 0) < BASIS) return null;
  return ofWindow(window, 'fewer', 'down', words.fewer, words.fewerText(rate(ends * 60), rate(ended * 60)));
}

function slower(what: 'wait' | 'runtime', { now, before, window }: Figures): Concern | null {
  const [takes, took] = [now.totals[what]?.p95, before?.totals[what]?.p95];
  const change = ratio(takes, took);
  if (takes == null || took == null || change === null) return null;
  if (change < SLOWER.times || takes < SLOWER.seconds) return null;
  return ofWindow(window, what, 'scheduled', words[what], words.slowerText(duration(takes), duration(took)));
}
