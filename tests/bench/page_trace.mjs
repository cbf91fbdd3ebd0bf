// Reads Chromium's traces.

/**
 * How busy the main thread of the page was that did most: other processes are the browser's own.
 * @returns share of `seconds`, milliseconds of the longest task, and the same as CPU time if the trace has it.
 */
export function busy(events, seconds) {
  const threads = mains(events);
  const tasks = new Map();
  for (const { name, ph, pid, tid, dur = 0, tdur = 0 } of events) {
    const thread = `${pid}/${tid}`;
    if (ph !== 'X' || !name.endsWith('RunTask') || !threads.has(thread)) continue;
    tasks.set(thread, [...(tasks.get(thread) ?? []), { dur, tdur }]);
  }
  const all = [...tasks.values()].map((of) => ({ of, sum: total(of, 'dur') })).sort((a, b) => b.sum - a.sum);
  const of = all[0]?.of ?? [];
  return {
    share: total(of, 'dur') / 1e6 / seconds,
    cpu: total(of, 'tdur') / 1e6 / seconds,
    longest: Math.max(0, ...of.map(({ dur }) => dur)) / 1000,
    longestCpu: Math.max(0, ...of.map(({ tdur }) => tdur)) / 1000,
    tasks: of.length,
  };
}

const SCRIPT = ['FunctionCall', 'EvaluateScript', 'RunMicrotasks', 'FireAnimationFrame', 'EventDispatch', 'TimerFire'];

/** @returns milliseconds of CPU time that script took in each frame of the page that made most of them. */
export function frames(events) {
  const threads = mains(events);
  const of = new Map();
  for (const event of events) {
    const thread = `${event.pid}/${event.tid}`;
    if (event.ph !== 'X' || !threads.has(thread)) continue;
    if (of.has(thread)) of.get(thread).push(event);
    else of.set(thread, [event]);
  }
  const all = [...of.values()].map(perFrame).sort((a, b) => b.length - a.length);
  return all[0] ?? [];
}

function perFrame(events) {
  const ordered = events.sort((a, b) => a.ts - b.ts || b.dur - a.dur);
  const sums = [];
  let [end, sum] = [-1, 0];
  for (const { name, ts, dur = 0, tdur = 0 } of ordered) {
    if (name === 'Commit') {
      sums.push(sum / 1000);
      sum = 0;
    }
    if (!SCRIPT.includes(name) || ts < end) continue; // what is inside another is counted with it
    end = ts + dur;
    sum += tdur;
  }
  return sums;
}

/** The main threads of pages. */
function mains(events) {
  return new Set(
    events
      .filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain')
      .map(({ pid, tid }) => `${pid}/${tid}`),
  );
}

function total(tasks, field) {
  return tasks.reduce((sum, task) => sum + task[field], 0);
}
