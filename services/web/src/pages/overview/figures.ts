/** The figures above the overview: of the window against yesterday, and of this moment. */
import { overview as words } from '$strings/overview';
import { isThere } from '../../fleet/there';
import { compact, count, duration, UNKNOWN } from '../../lib/format';
import type { Monitor } from '../../lib/monitor';
import type { Durations } from '../../lib/protocol';
import type { Sample } from '../../lib/series';
import { courseOf, largest, mean, NO_COURSE, thinned } from './course';
import { failuresOf } from './failing';
import { depthsOfAll } from './growing';
import type { Overview } from './overview.svelte';
import { lackOf, rate, share } from './text';
import { ratio } from './trends';

const f = words.figures;
/** Bars of a small series. */
const MOST = 24;

export interface Tile {
  label: string;
  value: string;
  title?: string | undefined;
  href: string;
  /** What stands below it where it is not compared; where it is, what it was. */
  note: string;
  trend?: { ratio: number | null; better: 'more' | 'less' | null; share?: string };
  /** Its course, and what that is called. */
  course: string;
  values?: readonly (number | null)[];
  among?: readonly (number | null)[];
  samples?: Sample[];
  tone: string;
}

export function tilesOf(page: Overview, monitor: Monitor): Tile[] {
  return [...ofWindow(page, monitor), ...ofNow(monitor)];
}

/** A value as text, and what stands for one that is not known. */
type Said = (value: number | null | undefined, none: string) => string;
const perMinute: Said = (value, none) => (value == null ? none : f.throughputUnit(rate(value * 60)));
const seconds: Said = (value, none) => (value == null ? none : duration(value));

function ofWindow({ shown, window }: Overview, { place }: Monitor): Tile[] {
  const totals = shown?.now.totals;
  const then = shown?.before?.totals;
  /** Of a time in which nothing ended there is nothing to compare with. */
  const before = (then?.attempts ?? 0) > 0 ? then : undefined;
  const { finished, failed } = shown === null ? NO_COURSE : courseOf(shown.now, shown.before);
  const series = shown?.now.series?.total;
  const [success, was] = [totals?.success_rate, before?.success_rate];
  const change = success == null || was == null ? null : success - was;
  const none = shown === null ? '' : lackOf(shown);
  const href = place.to('analytics', { window });
  const quantiles = (d: Durations | null | undefined, say: typeof f.waitTitle, unknown: string): string => {
    if (d?.p50 == null || d.p99 == null) return totals?.attempts === 0 ? f.noneEnded : unknown;
    return say(duration(d.p50), duration(d.p99), count(d.count));
  };
  const lasted = (what: 'wait' | 'runtime', title: string, tone: string): Tile => ({
    ...{ label: f[what], title, href, tone, value: seconds(totals?.[what]?.p95, UNKNOWN) },
    note: seconds(before?.[what]?.p95, none),
    trend: { ratio: ratio(totals?.[what]?.p95, before?.[what]?.p95), better: 'less' },
    course: f.course(f[what]),
    values: thinned(series?.[`${what}_p95`] ?? [], MOST, largest),
  });
  return [
    {
      ...{ label: f.throughput, value: perMinute(totals?.per_second, UNKNOWN), href, tone: 'series-1' },
      title: totals && f.throughputTitle(count(totals.finished)),
      note: perMinute(before?.per_second, none),
      trend: { ratio: ratio(totals?.per_second, before?.per_second), better: null },
      course: f.course(f.throughput),
      values: thinned(finished, MOST, mean),
    },
    {
      ...{ label: f.success, value: share(success ?? null), tone: 'succeeded' },
      title: totals && success != null ? f.successTitle(count(failuresOf(totals))) : f.noneEnded,
      href: place.to('tasks', { state: 'failed,rejected,lost' }),
      trend: {
        ratio: change === null ? null : 1 + change,
        share: f.points((Math.abs(change ?? 0) * 100).toFixed(1)),
        better: 'more',
      },
      note: was == null ? none : share(was),
      course: f.course(f.success),
      values: thinned(finished, MOST, mean),
      among: thinned(failed, MOST, mean),
    },
    lasted('wait', quantiles(totals?.wait, f.waitTitle, f.noWait), 'scheduled'),
    lasted('runtime', quantiles(totals?.runtime, f.runtimeTitle, f.noRuntime), 'running'),
  ];
}

/** There is no yesterday of what goes on at this moment, so its course is that of the last minutes. */
function ofNow({ live, clock, place }: Monitor): Tile[] {
  const { summary, workers, queues, series } = live;
  const present = workers.filter(isThere);
  const known = present.map(({ concurrency }) => concurrency).filter((slots) => slots !== null);
  const slots =
    known.length < present.length ? f.noSlots : f.runningNote(count(known.reduce((a, b) => a + b, 0)));
  const figure = (value: number | undefined): string => (value === undefined ? UNKNOWN : compact(value));
  const queued = summary && [
    summary.broker_queued === null ? '' : f.brokers(compact(summary.broker_queued)),
    summary.scheduled > 0 ? f.scheduled(compact(summary.scheduled)) : '',
    summary.retrying > 0 ? f.retrying(compact(summary.retrying)) : '',
  ];
  return [
    {
      ...{ label: f.running, value: figure(summary?.active), tone: 'running' },
      href: place.to('realtime', { state: 'running' }),
      note: summary === null ? '' : present.length === 0 ? f.noWorker : slots,
      course: f.lastMinutes(f.running),
      samples: series.at('summary:active', clock.wall),
    },
    {
      ...{ label: f.queued, value: figure(summary?.queued), tone: 'queued', href: place.to('queues') },
      note: (queued ?? []).filter(Boolean).join(' · '),
      course: f.lastHour(f.queued),
      values: thinned(depthsOfAll(queues, clock.now), 30, largest),
    },
  ];
}
