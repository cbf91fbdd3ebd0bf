import { plural } from '../plural';

const NUMBER = new Intl.NumberFormat('en-US');
const GROUPS = {
  name: ['name', 'names'],
  kind: ['kind', 'kinds'],
  queue: ['queue', 'queues'],
  worker: ['worker', 'workers'],
  source: ['source', 'sources'],
} as const;
type Group = keyof typeof GROUPS;

/** What ended in a window: `#analytics`. */
export const analytics = {
  window: {
    label: 'Window',
    names: {
      '1h': '1 h',
      '6h': '6 h',
      '24h': '24 h',
      today: 'Today',
      yesterday: 'Yesterday',
      '7d': '7 d',
      '30d': '30 d',
      '90d': '90 d',
    },
    custom: 'From – to',
    from: 'From',
    to: 'To',
    apply: 'Show',
    zone: (name: string) =>
      `Times of ${name}. A stretch can be chosen in a chart, too: drag from one side to the other.`,
    unordered: 'The end must be later than the start.',
    stretch: (start: string, end: string) => `${start} – ${end}`,
    watched: (stretch: string, since: string) => `${stretch}, ${since}`,
    now: 'now',
    reading: 'Reading …',
  },
  compare: {
    label: 'Compare',
    title: 'Compare with the window before',
    impossible: 'The window before is not kept any more: rollups reach 90 days back',
  },
  by: {
    label: 'Group by',
    names: { name: 'Name', kind: 'Kind', queue: 'Queue', worker: 'Worker', source: 'Source' },
  },
  filter: {
    kinds: 'Kind',
    label: 'Filter',
    fields: { kind: 'Kind', name: 'Name', queue: 'Queue', worker: 'Worker' },
    hint: '* stands for any text; several values stand between commas.',
    apply: 'Apply',
    clear: 'Clear filters',
    remove: (field: string, value: string) => `Without ${field.toLowerCase()} ${value}`,
  },
  conflict: {
    title: 'These two do not go together',
    fields: (one: Group, other: Group) =>
      `What ended is summed up by name (with its kind), by queue and by worker, each by itself: a ${one} and a ${other} cannot be combined. The tasks that are retained can be searched by everything at once.`,
    by: (field: Group, by: Group) =>
      `What ended is summed up by name (with its kind), by queue and by worker, each by itself: a filter by ${field} cannot be divided by ${GROUPS[by][0]}.`,
    without: (field: Group) => `Leave out the ${field}`,
    grouped: (by: Group) => `Group by ${by}`,
    tasks: 'Search the tasks',
  },
  figures: {
    label: 'Figures of the window',
    finished: 'Finished',
    success: 'Success',
    rate: 'Throughput',
    wait: 'Wait, p95',
    runtime: 'Runtime, p95',
    failed: 'Failed',
    per: { second: 'a second', minute: 'a minute', hour: 'an hour', day: 'a day' },
    short: { second: '/s', minute: '/min', hour: '/h', day: '/d' },
    points: (value: string) => `${value} points`,
    none: 'Nothing ended that would tell',
    noDurations: 'For workers counts alone are kept',
    retried: (value: number) => `${NUMBER.format(value)} retried`,
    mean: (value: string) => `mean ${value}`,
    median: (value: string) => `median ${value}`,
  },
  charts: {
    throughput: 'Throughput',
    throughputNote: (bucket: string) => `attempts that ended, per ${bucket}`,
    success: 'Success rate',
    successNote: 'without revoked and retried ones',
    wait: 'Wait',
    waitNote: 'from being sent to the start',
    runtime: 'Runtime',
    runtimeNote: 'of each attempt',
    outcomes: {
      succeeded: 'Succeeded',
      failed: 'Failed',
      retried: 'Retried',
      revoked: 'Revoked',
      rejected: 'Rejected',
      lost: 'Lost',
    },
    rate: 'Success',
    before: 'Before',
    beforeOf: (label: string) => `${label} before`,
    noDurations: 'Durations are summed up by name, queue and source; for workers counts alone are kept.',
  },
  lines: {
    title: (by: Group) => `The largest ${GROUPS[by][1]}`,
    measure: 'Measure',
    measures: {
      finished: 'Finished',
      failed: 'Failed',
      success: 'Success',
      wait: 'Wait p95',
      runtime: 'Runtime p95',
    },
    rest: (value: number) => `${plural(value, 'more group', 'more groups')} in the table`,
  },
  kinds: {
    title: 'By kind',
    label: 'Share of each kind',
    others: 'Others',
    none: 'Kinds are summed up with names, apart from queues and workers.',
    part: (kind: string, share: string) => `${kind} ${share}`,
  },
  group: {
    none: 'not kept apart',
    other: 'other names',
    tasks: (name: string) => `Tasks of ${name}`,
    narrow: (name: string) => `Look at ${name} alone`,
  },
  tabs: {
    label: 'What to look at',
    groups: 'Table',
    failures: 'Failures',
    slowest: 'Slowest',
    spread: 'Distribution',
  },
  table: {
    label: (by: Group) => `What ended, by ${by}`,
    search: (by: Group) => `Search in these ${GROUPS[by][1]}`,
    shown: (shown: number, all: number) =>
      shown === all
        ? plural(all, 'group', 'groups')
        : `${NUMBER.format(shown)} of ${plural(all, 'group', 'groups')}`,
    largest: (shown: number) =>
      `These are the ${NUMBER.format(shown)} largest ones; a filter or an export has more.`,
    nothing: 'No group has this in its name.',
    unattributed: (value: number) =>
      `${plural(value, 'attempt is', 'attempts are')} in no group: without a known name, queue or worker, or too many to be kept apart.`,
    fresh: 'new',
    freshTitle: 'None of these ended in the window before',
    columns: {
      group: { label: '' },
      finished: {
        label: 'Finished',
        title: 'Tasks that ended in any way; retried attempts are not among them',
      },
      failed: { label: 'Failed' },
      success: {
        label: 'Success',
        title: 'succeeded / (succeeded + failed + rejected + lost)',
      },
      rate: { label: 'Rate', title: 'Finished tasks over the time' },
      wait_p50: { label: 'Wait p50', title: 'Half waited no longer' },
      wait_p95: { label: 'Wait p95', title: '95 % waited no longer' },
      runtime_mean: { label: 'Run mean', title: 'Mean runtime, exact' },
      runtime_p50: { label: 'Run p50', title: 'Half ran no longer' },
      runtime_p95: { label: 'Run p95', title: '95 % ran no longer' },
      runtime_p99: { label: 'Run p99', title: '99 % ran no longer' },
      share: { label: 'Share', title: 'Of all attempts' },
      change: { label: 'Change', title: 'Finished tasks a second, against the window before' },
    },
  },
  slowest: {
    label: 'The slowest attempts of this window',
    note: 'The three slowest of each group are kept; the slowest of all first.',
    columns: { task: 'Task', runtime: 'Runtime', group: 'Group', ended: 'Ended', outcome: 'Exception' },
    gone: 'not retained any more',
    goneTitle: 'What is kept of a task ends after some days; its figures stay',
    none: 'No attempt of this window has a known runtime.',
  },
  failures: {
    label: 'Failed tasks by exception',
    note: (retained: number, groups: number) =>
      `${plural(retained, 'failed task is', 'failed tasks are')} retained of this window, in ${plural(groups, 'group', 'groups')}`,
    partly: (failed: number, retained: number) =>
      `${NUMBER.format(failed)} failed in this window; messages are known of the ${NUMBER.format(retained)} that are retained.`,
    none: 'Nothing failed in this window',
    noneRetained: (failed: number) =>
      `${plural(failed, 'task', 'tasks')} failed, and none of them is retained`,
    noneRetainedText:
      'Messages are kept with the tasks alone: at most 20,000 failed ones, for 7 days. The counts above stay.',
    noneText: 'That is good news.',
    untold: 'No exception is known',
    noMessage: 'without a message',
    count: (value: number) => plural(value, 'failure', 'failures'),
    share: (share: string) => `${share} of them`,
    first: 'first',
    last: 'last',
    in: 'in',
    example: 'Latest example',
    all: 'All of them',
    full: 'The whole message of the latest',
  },
  spread: {
    timed: 'Duration',
    runtime: 'Runtime',
    wait: 'Wait',
    label: (by: Group, timed: string) => `${timed} by ${by}: median, 95 % and 99 %`,
    legend:
      'From the median to what 95 % (thick) and 99 % (thin) did not exceed; the ring is the mean. From line to line it is ten times as long.',
    row: (p50: string, p95: string, p99: string, mean: string) =>
      `median ${p50}, 95 % ${p95}, 99 % ${p99}, mean ${mean}`,
    more: (value: number) => `${plural(value, 'more group', 'more groups')} in the table`,
    none: 'No durations are known of this window.',
  },
  export: {
    label: 'Export',
    tableCsv: 'Table as CSV',
    tableNdjson: 'Table as NDJSON',
    seriesCsv: 'Series as CSV',
    seriesNdjson: 'Series as NDJSON',
    failuresCsv: 'Failures as CSV',
    failuresNdjson: 'Failures as NDJSON',
  },
  notices: {
    gaps: 'Something is missing.',
    gap: (source: string, start: string, end: string) => `${source}: ${start} – ${end}`,
    gapText: (list: string) => `Nothing is kept of ${list}. Rates are those of the rest.`,
    gapMore: (value: number) => `and ${plural(value, 'more stretch', 'more stretches')}`,
    stale: 'These figures may be behind.',
    unreadable: 'Something could not be read.',
    incomparable: 'The window before was not watched, so nothing is compared with it.',
    beforeFailed: 'The window before could not be laid over this one.',
  },
  reading: {
    title: 'This window is still being read',
    text: 'A long window takes a few seconds when it is read for the first time, and is as quick as a short one afterwards. It is asked for again by itself.',
    unavailable: 'The analytics are not available at the moment',
  },
  wrong: {
    title: 'The address asks for something that the api does not take',
    reset: 'The last 24 hours instead',
  },
  nothing: {
    title: 'Nothing ended in this window',
    none: 'Nothing that these filters let in ended in the last 24 hours either.',
    never: 'Nothing ended in the last 24 hours either.',
    last: (count: number, from: string, to: string) =>
      `In the last 24 hours ${plural(count, 'task', 'tasks')} ended, the latest between ${from} and ${to}.`,
    day: 'Last 24 hours',
    month: 'Last 30 days',
    longest: 'Last 90 days',
    unfiltered: 'Without filters',
  },
} as const;
