import { plural } from '../plural';

const WINDOWS = { '1h': 'last hour', '6h': 'last 6 hours', '24h': 'last 24 hours' } as const;
type Window = keyof typeof WINDOWS;

/** The home page: how it goes, now and against yesterday. */
export const overview = {
  window: {
    note: (window: Window) => `The ${WINDOWS[window]}, against the same time yesterday`,
    watched: (window: Window, since: string) => `The ${WINDOWS[window]}, ${since}`,
  },
  verdict: {
    label: 'What needs attention',
    well: 'Nothing needs attention',
    ill: (count: number) => plural(count, 'thing needs attention', 'things need attention'),
    reading: 'Looking at what happened',
    quiet: 'No task and no worker has been seen yet',
    stale: 'What is shown may be old',
    partly: 'Not everything could be read',
    says: {
      reading: 'Sources, workers and queues are fine; failures and durations are being read.',
      quiet: 'Sources answer. What is sent to their brokers, and who works for them, appears here by itself.',
      stale: 'Whether something is wrong now cannot be told until there is news from the collector.',
      partly: 'Sources, workers and queues are fine; failures or durations could not be read.',
    },
    sources: (up: number) => plural(up, 'source is up', 'sources are up'),
    workers: (online: number) => plural(online, 'worker is online', 'workers are online'),
    queues: (count: number) => `${plural(count, 'queue', 'queues')}, none grows`,
    finished: (count: number, window: Window) =>
      `${plural(count, 'task', 'tasks')} ended in the ${WINDOWS[window]}`,
    since: (moment: string, ago: string) => `since ${moment} (${ago})`,
    more: (count: number) => plural(count, 'more thing', 'more things'),
    fewer: 'Show the most urgent ones alone',
  },
  severity: { bad: 'Urgent', warn: 'Warning' },
  concern: {
    down: (name: string) => `Source ${name} is down`,
    degraded: (name: string) => `Source ${name} knows less than it should`,
    starting: (name: string) => `Source ${name} does not come up`,
    stale: (name: string) => `What is known of ${name} is old`,
    noReason: 'No reason is known.',
    workers: (names: readonly string[], state: 'lost' | 'silent') =>
      names.length === 1 ? `Worker ${names[0] ?? ''} is ${state}` : `${names.length} workers are ${state}`,
    lostText: (tasks: number | null) =>
      tasks === null || tasks === 0
        ? 'No sign of life any more, and it did not say goodbye.'
        : `${plural(tasks, 'task was', 'tasks were')} lost with it.`,
    silentText: 'No sign of life for a while; one that is busy with a single process gives none.',
    nobody: 'No worker is online',
    nobodyText: (source: string, waiting: number) =>
      `${plural(waiting, 'task waits', 'tasks wait')} in ${source}, and nobody takes them.`,
    names: (names: readonly string[], more: number) =>
      more > 0 ? `${names.join(', ')} and ${more} more.` : `${names.join(', ')}.`,
    unserved: (queue: string) => `Nobody takes from queue ${queue}`,
    unservedText: (depth: number) => `${plural(depth, 'message waits', 'messages wait')} in it.`,
    grows: (queue: string) => `Queue ${queue} grows`,
    growsText: (depth: string, before: string, rates: string) =>
      `${depth} wait, ${before} did at the least of the last hour${rates}.`,
    rates: (came: string, left: string) => `; ${came}/min come, ${left}/min end`,
    fails: (name: string) => `${name} fails`,
    failsText: (failed: string, all: string, rate: string, last: string) =>
      `${failed} of ${all} (${rate})${last}.`,
    last: (type: string) => `, last with ${type}`,
    worse: (rate: string) => `${rate} of all tasks fail`,
    worseText: (before: string) => `${before} did at this time yesterday.`,
    fewer: 'Much less is done than yesterday',
    fewerText: (now: string, before: string) => `${now} tasks/min end, yesterday at this time ${before}.`,
    wait: 'Tasks wait longer than yesterday',
    runtime: 'Tasks run longer than yesterday',
    slowerText: (now: string, before: string) =>
      `95 % within ${now}, yesterday at this time within ${before}.`,
  },
  figures: {
    label: 'Figures',
    throughput: 'Throughput',
    throughputUnit: (value: string) => `${value}/min`,
    throughputTitle: (count: string) => `${count} tasks ended in the window`,
    success: 'Success',
    successTitle: (failed: string) => `${failed} failed, were rejected or lost`,
    points: (points: string) => `${points} pt`,
    wait: 'Wait, p95',
    waitTitle: (p50: string, p99: string, count: string) =>
      `Half of ${count} starts came within ${p50} of being queued, 99 % within ${p99}`,
    runtime: 'Runtime, p95',
    runtimeTitle: (p50: string, p99: string, count: string) =>
      `Half of ${count} attempts took no longer than ${p50}, 99 % no longer than ${p99}`,
    running: 'Running now',
    runningNote: (slots: string) => `of ${slots} slots`,
    noSlots: 'slots not known',
    noWorker: 'no worker is online',
    queued: 'Queued now',
    scheduled: (count: string) => `${count} for later`,
    retrying: (count: string) => `${count} retrying`,
    brokers: (count: string) => `${count} in brokers`,
    nothingYesterday: 'nothing yesterday',
    lacking: { unread: 'yesterday could not be read', unwatched: 'yesterday unwatched' },
    vs: 'vs yesterday',
    noWait: 'Of no start in the window it is known when the task was sent',
    noRuntime: 'Of no attempt in the window it is known how long it ran',
    noneEnded: 'No task ended in the window',
    course: (what: string) => `${what} over the window`,
    lastMinutes: (what: string) => `${what} in the last 5 minutes`,
    lastHour: (what: string) => `${what} in each minute of the last hour`,
  },
  throughput: {
    title: 'Throughput',
    note: 'tasks that ended, a minute',
    finished: 'Ended',
    failed: 'Failed',
    before: 'Yesterday',
    label: (window: Window) =>
      `Tasks that ended a minute in the ${WINDOWS[window]}, those of them that failed, and yesterday`,
    none: (window: Window) => `No task ended in the ${WINDOWS[window]}`,
    noneText: 'What ends appears here by itself.',
    gaps: (count: number) =>
      `${plural(count, 'part', 'parts')} of the window: nothing is kept of it, so figures are of the rest.`,
  },
  kinds: {
    title: 'By kind',
    label: 'Figures of each kind of task',
    columns: {
      kind: 'Kind',
      running: 'Running',
      queued: 'Queued',
      finished: ['Ended', 'Tasks that ended in the window'],
      success: 'Success',
      outcomes: 'Outcomes',
      runtime: 'Runtime p95',
      wait: 'Wait p95',
      trend: ['vs yesterday', 'Tasks that ended, compared with the same time yesterday'],
      links: 'Look at',
    },
    other: 'Other',
    unkept: 'Not told apart',
    outcomes: (kind: string) => `Outcomes of ${kind}`,
    of: (what: string, kind: string) => `${what} of ${kind}`,
  },
  outcome: (count: string, outcome: 'succeeded' | 'failed' | 'rejected' | 'lost' | 'revoked') =>
    `${count} ${outcome}`,
  failing: {
    title: 'Failing tasks',
    note: (count: number, window: Window) =>
      `${plural(count, 'task', 'tasks')} failed in the ${WINDOWS[window]}`,
    label: 'Names of tasks by how many failed',
    columns: {
      name: 'Task',
      failed: 'Failed',
      rate: ['Rate', 'Of those that succeeded, failed, were rejected or lost'],
      course: 'Course',
      last: 'Last exception',
    },
    rate: (rate: string, all: string) => `${rate} of ${all}`,
    failures: (name: string) => `The failures of ${name}`,
    example: (type: string, ago: string) => `${type}, ${ago}: open the task`,
    noType: 'no exception known',
    gone: 'The task is not kept any more',
    course: (name: string) => `Failures of ${name} over the window, among all of it`,
    more: (count: number) => `${plural(count, 'more name', 'more names')} with failures`,
    unlisted: 'There are more names than are told apart here: the largest 500 are looked at.',
  },
  growing: {
    title: 'Queues that need a look',
    label: 'Queues that grow, or that nobody takes from',
  },
  vanished: {
    title: 'Workers that vanished',
    label: 'Workers that are lost, silent or went away',
    hand: 'In hand',
    current: (count: number) => plural(count, 'task in hand', 'tasks in hand'),
    lost: (count: number) => plural(count, 'task lost', 'tasks lost'),
    nothing: 'nothing',
    notKnown: 'What it had in hand is not known',
    more: (count: number) => plural(count, 'more worker', 'more workers'),
  },
  sources: {
    title: 'Sources',
    rate: (rate: string) => `${rate}/s`,
    rateTitle: 'Messages that are read a second, lately',
    lag: (lag: string) => `lag ${lag}`,
    lagTitle: 'From an event to its reading, lately',
  },
} as const;
