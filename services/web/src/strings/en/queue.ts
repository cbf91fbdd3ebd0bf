import { plural } from '../plural';

const messages = (count: number): string => plural(count, 'message', 'messages');

/** The page of one queue. */
export const queue = {
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
  estimateTitle: 'How the estimate is made',
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
  estimate: {
    empty: 'Nothing waits.',
    fell: (from: string, to: string, minutes: number, rate: string) =>
      `In the last ${minutes} minutes it fell from ${from} to ${to}: by ${rate} a minute, what comes and what leaves taken together.`,
    rose: (from: string, to: string, minutes: number, rate: string) =>
      `In the last ${minutes} minutes it grew from ${from} to ${to}: by ${rate} a minute, what comes and what leaves taken together.`,
    lately: (from: string, to: string, minutes: number, rate: string) =>
      `But in the last ${minutes} minutes it fell from ${from} to ${to}: by ${rate} a minute. That is what the estimate goes by.`,
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
