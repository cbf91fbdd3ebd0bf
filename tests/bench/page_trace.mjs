// Reads Chromium's traces.

/**
 * How busy the main thread of the page was that did most: other processes are the browser's own.
 * @returns share of `seconds`, milliseconds of the longest task, and the same as CPU time if the trace has it.
 */
export function busy(events, seconds) {
  const threads = new Set(
    events
      .filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain')
      .map(({ pid, tid }) => `${pid}/${tid}`),
  );
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

function total(tasks, field) {
  return tasks.reduce((sum, task) => sum + task[field], 0);
}
