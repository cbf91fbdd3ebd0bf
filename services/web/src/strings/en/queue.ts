import { plural } from '../plural';

const messages = (count: number): string => plural(count, 'message', 'messages');

/** The page of one queue. */
export const queue = {
  gone: 'This queue is not known',
  goneText:
    'No worker takes from it and nothing was sent to it, you may not see its source, or the name was never in use.',
  all: 'All queues',
  unservedTitle: 'Nobody takes from this queue.',
  unservedText: (depth: number) => `${messages(depth)} wait. Start a worker that takes from it:`,
  unserved: {
    celery: (name: string) => `celery -A YOUR_APP worker -Q ${name}`,
    rq: (name: string) => `rq worker ${name}`,
  },
  command: 'command',
  depth: 'Depth in the last hour',
  depthLabel: (name: string) => `Messages that waited in ${name}, minute by minute`,
  depthNone: 'No depth was counted yet.',
  estimateTitle: 'How the estimate is made',
  waiting: 'Waiting',
  waitingNone: 'Nothing waits that is known by name.',
  waitingEmpty: 'Nothing waits.',
  waitingOrder: 'In the order of sending, as a queue without priorities gives them out.',
  waitingUnordered:
    'Their order is not known, since it is not when they were sent (task_send_sent_event is off).',
  waitingFewer: (known: number, depth: number) =>
    `${messages(depth)} wait, ${known === 0 ? 'none' : known} of them known by name: what is sent without events is seen when a worker takes it.`,
  now: 'Running',
  nowNone: 'Nothing of it runs.',
  consumers: 'Workers',
  consumersNone: 'No worker says that it takes from it.',
  consumersOther: (count: number) =>
    `The broker counts ${plural(count, 'consumer', 'consumers')}; who they are is not known.`,
  runtimes: 'Runtimes of its tasks',
  runtimesNote: (count: number) => `of the latest ${count} that ended`,
  runtimesNone: 'No task of it that ended is known.',
  runtimeColumns: { name: 'Task', ended: 'Ended', failed: 'Failed', median: 'Median', longest: 'Longest' },
  estimate: {
    empty: 'Nothing waits.',
    went: (how: 'fell' | 'grew', from: string, to: string, minutes: number, rate: string) =>
      `In the last ${minutes} minutes it ${how} from ${from} to ${to}: by ${rate} a minute`,
    whole: (went: string) => `${went}, what comes and what leaves taken together.`,
    lately: (went: string) => `${went}. That is what the estimate goes by.`,
    same: (minutes: number) => `In the last ${minutes} minutes its depth did not change.`,
    tooLittle: 'Whether it falls can be said once its depth is known for three minutes.',
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
