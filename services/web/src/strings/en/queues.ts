import { plural } from '../plural';

const messages = (count: number): string => plural(count, 'message', 'messages');

/** The pages of queues. */
export const queues = {
  label: 'Queues',
  unread: 'Rates and times to drain could not be read:',
  filters: {
    search: 'Search queues',
    which: 'Which queues',
    all: 'All',
    with: (label: string, count: number) => `${label} ${count}`,
  },
  which: { waiting: 'Waiting', grows: 'Growing', unserved: 'Nobody takes', empty: 'Empty' },
  stats: {
    waiting: 'Waiting in all queues',
    waitingNote: (count: number, of: number) => `in ${count} of ${plural(of, 'queue', 'queues')}`,
    uncounted: (count: number) => `without ${plural(count, 'queue', 'queues')} whose depth nobody tells`,
    last: 'Last one empty at',
    lastNote: (name: string, ahead: string) => `${name} · ${ahead}`,
    lastNone: 'no backlog falls',
    grows: 'Growing',
    growsNone: 'workers keep up',
    unserved: 'Nobody takes from',
    unservedNone: 'every queue with messages has a worker',
    running: 'Running',
    runningNote: 'tasks of these queues',
  },
  columns: {
    name: 'Queue',
    depth: 'Waiting',
    depthTitle:
      'Messages that are ready to be taken, and how many there were in each minute of the last hour',
    empty: 'Empty at',
    emptyTitle: 'When it is empty if it goes on as in the last quarter of an hour',
    rates: 'In · out a minute',
    ratesTitle: 'What comes (derived) and what ends, in the last quarter of an hour',
    oldest: 'Oldest',
    oldestTitle: 'How long the oldest message waits',
    consumers: 'Workers',
    consumersTitle: 'Workers that take from it',
    parts: 'Tasks',
    partsTitle: 'Where its tasks are',
  },
  outlook: {
    empty: 'empty',
    drains: (time: string) => `empty at about ${time}`,
    drainsDay: (day: string) => `empty about ${day}`,
    drainsNote: (ahead: string, rate: string) => `${ahead} · falls by ${rate}/min`,
    drainsAlone: (ahead: string) => `${ahead}, if nothing more comes`,
    grows: (rate: string) => `grows by ${rate}/min`,
    growsUnknown: 'grows',
    alone: (time: string) => `${time} if nothing more came`,
    notAtAll: 'does not become empty like this',
    steady: 'as much comes as leaves',
    keepsUp: 'keeps up',
    keepsUpNote: (time: string) => `${time} of work wait`,
    unserved: 'never',
    unservedNote: 'nobody takes from it',
    reading: 'being reckoned',
    unknown: 'not known',
    title: {
      drains: (net: string, alone: string) =>
        `Goes on as in the last quarter of an hour: ${net}. If nothing more came: ${alone}.`,
    },
  },
  cells: {
    rate: (value: string) => `${value}/min`,
    in: (rate: string) => `${rate} in`,
    out: (rate: string) => `${rate} out`,
    spark: (name: string, least: string, most: string) =>
      `${name}: depth in the last hour, between ${least} and ${most}`,
    nobody: 'nobody',
    oldestAt: (moment: string) => `Since ${moment}`,
    oldestNone: 'Nothing waits',
    oldestUnknown: 'Its broker does not tell',
    ratesUnread: 'Not read yet',
    countedAt: (moment: string) => `Counted ${moment}`,
    parts: {
      waiting: (count: string) => `${count} waiting`,
      running: (count: string) => `${count} running`,
      scheduled: (count: string) => `${count} scheduled`,
      deferred: (count: string) => `${count} deferred`,
      failed: (count: string) => `${count} failed`,
      unacked: (count: string) => `${count} not acknowledged`,
    },
    noParts: 'nothing',
    partsUnread: 'Not counted yet',
  },
  empty: {
    title: 'No queue yet',
    text: 'Queues appear here by themselves as soon as a worker takes from one or a task is sent to one.',
    filtered: 'No queue is like this',
    filteredText: (all: number) =>
      `${plural(all, 'queue is', 'queues are')} not shown because of the search or the choice.`,
    clear: 'Show all queues',
  },
  one: {
    gone: 'This queue is not known',
    goneText:
      'No worker takes from it and nothing was sent to it, you may not see its source, or the name was never in use.',
    all: 'All queues',
    tasks: 'Its tasks',
    unservedTitle: 'Nobody takes from this queue.',
    unservedText: (depth: number) => `${messages(depth)} wait. Start a worker that takes from it:`,
    unservedCelery: (name: string) => `celery -A YOUR_APP worker -Q ${name}`,
    unservedRq: (name: string) => `rq worker ${name}`,
    command: 'command',
    depth: 'Depth in the last hour',
    depthLabel: (name: string) => `Messages that waited in ${name}, minute by minute`,
    depthNone: 'No depth was counted yet.',
    waitingSeries: 'Waiting',
    throughput: 'Throughput',
    throughputLabel: (name: string) => `Tasks of ${name} that ended, a minute`,
    estimate: 'How the estimate is made',
    waiting: 'Waiting',
    waitingNone: 'Nothing waits that is known by name.',
    waitingEmpty: 'Nothing waits.',
    waitingOrder:
      'In the order of sending, which is the order in which a queue without priorities gives them out.',
    waitingUnordered:
      'When they were sent is not known (task_send_sent_event is off), and so their order is not either.',
    waitingFewer: (known: number, depth: number) =>
      `${messages(depth)} wait, ${known === 0 ? 'none' : known} of them known by name: what is sent without events is seen when a worker takes it.`,
    now: 'Running',
    nowNone: 'Nothing of it runs.',
    more: (count: number) => plural(count, 'more', 'more'),
    consumers: 'Workers',
    consumersNone: 'No worker says that it takes from it.',
    consumersOther: (count: number) =>
      `The broker counts ${plural(count, 'consumer', 'consumers')}; who they are is not known.`,
    runtimes: 'Runtimes of its tasks',
    runtimesNote: (count: number) => `of the latest ${count} that ended`,
    runtimesNone: 'No task of it that ended is known.',
    runtimeColumns: { name: 'Task', count: 'Ended', median: 'Median', longest: 'Longest', failed: 'Failed' },
    detail: 'Why figures are missing',
    counts: 'Counts',
  },
  estimate: {
    empty: 'Nothing waits.',
    fell: (from: string, to: string, minutes: number, rate: string) =>
      `In the last ${minutes} minutes it fell from ${from} to ${to}: by ${rate} a minute, what comes and what leaves taken together.`,
    rose: (from: string, to: string, minutes: number, rate: string) =>
      `In the last ${minutes} minutes it grew from ${from} to ${to}: by ${rate} a minute, what comes and what leaves taken together.`,
    same: (minutes: number) => `In the last ${minutes} minutes its depth did not change.`,
    tooLittle:
      'Its depth is not known for long enough yet to say whether it falls: that takes three minutes.',
    net: (depth: string, rate: string, time: string, when: string) =>
      `${depth} that wait / ${rate} a minute = ${time}: empty at about ${when}, if it goes on like this.`,
    alone: (depth: string, rate: string, time: string, when: string) =>
      `If nothing more came: ${depth} / ${rate} that end a minute = ${time}, at about ${when}.`,
    noRate: (why: string) => `How long it would take if nothing more came is not known: ${why}.`,
    came: (rate: string) =>
      `${rate} come a minute. Brokers do not count that: it is derived from what ended and from how the depth changed.`,
    cameUnknown: (why: string) => `How much comes is not known: ${why}.`,
    caveat: 'It is a projection: a task that takes long, another worker or a burst changes it.',
  },
} as const;
