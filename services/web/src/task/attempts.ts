/** The attempts of a task as stretches of time on one axis. Times are epoch milliseconds on the server's clock. */
import { epoch } from '../lib/format';
import type { Attempt, State, TaskDetail } from '../lib/protocol';

/** What it did for a while: `pause` lies between an attempt and the next. */
export type Phase = 'pause' | 'scheduled' | 'deferred' | 'queued' | 'reserved' | 'running';

export interface Stretch {
  phase: Phase;
  from: number;
  to: number;
  /** It goes on. */
  open: boolean;
  /** It has not come yet: up to the planned time. */
  planned: boolean;
}

export interface Row {
  number: number;
  /** How it ended; of the last, where the task is. */
  state: State;
  attempt: Attempt | null;
  stretches: Stretch[];
}

export interface Axis {
  from: number;
  to: number;
}

type Mark = readonly [Phase, number];

/** One row for each attempt that is kept, and one for the attempt that is awaited. */
export function rowsOf(task: TaskDetail, now: number): Row[] {
  const attempts = [...task.history, ...(task.attempt === null ? [] : [task.attempt])];
  const rows = attempts.map((attempt, index) => {
    const current = attempt === task.attempt;
    const marks = marksOf(attempt, epoch(attempts[index - 1]?.finished_at));
    return row(attempt, stretchesOf(marks, current ? endOf(task, attempt, now) : past(attempt, marks)));
  });
  const last = rows.at(-1);
  if (last !== undefined && task.attempt !== null) splitAtEta(last.stretches, epoch(task.eta_at), now);
  return awaited(task) ? [...rows, awaitedRow(task, attempts.at(-1), now)] : rows;
}

/** From the first thing that is known to the last; null where no time is. */
export function axisOf(rows: readonly Row[]): Axis | null {
  const all = rows.flatMap(({ stretches }) => stretches);
  if (all.length === 0) return null;
  const from = Math.min(...all.map((stretch) => stretch.from));
  return { from, to: Math.max(from + 1, ...all.map((stretch) => stretch.to)) };
}

function row(attempt: Attempt, stretches: Stretch[]): Row {
  return { number: attempt.number, state: attempt.state, attempt, stretches };
}

/** Clocks of several machines: what comes later is never earlier. */
function marksOf(attempt: Attempt, before: number | null): Mark[] {
  const told: [Phase, number | null][] = [
    ['pause', before],
    ['queued', epoch(attempt.queued_at)],
    ['reserved', epoch(attempt.received_at)],
    ['running', epoch(attempt.started_at)],
  ];
  const marks: Mark[] = [];
  for (const [phase, at] of told) if (at !== null) marks.push([phase, Math.max(at, marks.at(-1)?.[1] ?? at)]);
  // A retry is put into its queue before its attempt has ended: there is no pause, only the way through the queue.
  const queued = epoch(attempt.queued_at);
  return before !== null && queued !== null && queued <= before ? marks.slice(1) : marks;
}

interface End {
  at: number;
  open: boolean;
}

function endOf(task: TaskDetail, attempt: Attempt, now: number): End | null {
  const finished = epoch(attempt.finished_at);
  if (finished !== null) return { at: finished, open: false };
  return task.group === 'finished' || task.state === 'retrying' ? null : { at: now, open: true };
}

function past(attempt: Attempt, marks: readonly Mark[]): End | null {
  const at = epoch(attempt.finished_at) ?? marks.at(-1)?.[1] ?? null;
  return at === null ? null : { at, open: false };
}

/** From each mark to the next; the last up to the end, or without a length where that is unknown. */
function stretchesOf(marks: readonly Mark[], end: End | null): Stretch[] {
  return marks
    .map(([phase, from], index): Stretch => {
      const next = marks[index + 1]?.[1];
      const to = Math.max(from, next ?? end?.at ?? from);
      return { phase, from, to, open: next === undefined && (end?.open ?? false), planned: false };
    })
    .filter(({ phase, from, to, open }) => to > from || phase === 'running' || open);
}

/** Up to its planned time a task does not wait for a worker. */
function splitAtEta(stretches: Stretch[], eta: number | null, now: number): void {
  if (eta === null) return;
  for (const [index, stretch] of [...stretches.entries()].reverse()) {
    if (stretch.phase === 'running' || eta <= stretch.from) continue;
    const before: Stretch = { ...stretch, phase: 'scheduled', to: Math.min(stretch.to, eta) };
    const behind: Stretch[] = stretch.to > eta ? [{ ...stretch, from: eta }] : [];
    stretches.splice(index, 1, { ...before, open: stretch.open && behind.length === 0 }, ...behind);
  }
  if (stretches.at(-1)?.open === true && eta > now) stretches.push(plan(now, eta));
}

function plan(from: number, to: number): Stretch {
  return { phase: 'scheduled', from, to, open: false, planned: true };
}

/** It waits, and no worker has it: the next attempt is still to come. */
function awaited(task: TaskDetail): boolean {
  if (task.group === 'finished') return false;
  return task.attempt === null || (task.state === 'retrying' && task.attempt.finished_at !== null);
}

function awaitedRow(task: TaskDetail, last: Attempt | undefined, now: number): Row {
  const ended = epoch(last?.finished_at);
  const from = ended ?? (last === undefined ? epoch(task.sent_at) : null);
  const eta = epoch(task.eta_at);
  const phase = ended !== null ? 'pause' : task.state === 'deferred' ? 'deferred' : 'queued';
  const stretches: Stretch[] =
    from === null ? [] : [{ phase, from, to: Math.max(from, now), open: true, planned: false }];
  if (from === null && eta !== null && eta > now) stretches.push(plan(now, eta));
  else splitAtEta(stretches, eta, now);
  return { number: (last?.number ?? 0) + 1, state: task.state, attempt: null, stretches };
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
const STEPS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 3, 6, 12].map((count) => count * HOUR),
  ...[1, 2, 7, 14, 30, 90].map((count) => count * DAY),
];
/** Below, seconds since the beginning say more than times of day. */
const RELATIVE_MS = 10 * MINUTE;

export interface Ticks {
  /** Counted from the beginning, instead of times of day. */
  relative: boolean;
  step: number;
  at: number[];
}

/** At most `most` places on an axis with a round distance. `midnight`: that of the day that a time is in. */
export function ticksOf({ from, to }: Axis, most: number, midnight: (at: number) => number): Ticks {
  const step =
    STEPS.find((width) => (to - from) / width <= most) ?? Math.ceil((to - from) / most / DAY) * DAY;
  const relative = to - from < RELATIVE_MS;
  const base = relative ? from : midnight(from);
  const first = base + Math.ceil((from - base) / step) * step;
  const count = Math.floor((to - first) / step) + 1;
  return {
    relative,
    step,
    at: Array.from({ length: Math.max(0, count) }, (_, index) => first + index * step),
  };
}
