import { plural } from '../plural';

/** Words that the pages of workers and of queues share. */
export const fleet = {
  more: (next: number, rest: number) =>
    `Show ${next} more of ${plural(rest, 'row', 'rows')} that are not shown`,
  shown: (shown: number, all: number) => (shown === all ? `${all}` : `${shown} of ${all}`),
  clear: 'Clear the search',
  allQueues: 'All queues',
  asOf: (time: string) => `as of ${time}`,
  asOfWhy: (why: string) => `Its source cannot be read now: ${why}`,
  noWhy: 'no reason is known',
  ended: 'Ended',
  failed: 'Failed or lost',
  itsTasks: 'Its tasks',
  tasks: {
    unnamed: 'name not known',
    more: (count: number) => plural(count, 'more task', 'more tasks'),
  },
  throughput: {
    title: 'Throughput',
    worker: (name: string) => `Tasks that ended on ${name}, a minute`,
    queue: (name: string) => `Tasks of ${name} that ended, a minute`,
  },
  otherSource: {
    title: (source: string) => `You look at source ${source} alone`,
    text: (source: string) => `This one belongs to source ${source}.`,
    all: 'Look at all sources',
  },
  windows: { label: 'Window', '1h': '1 hour', '6h': '6 hours', '24h': '24 hours', '7d': '7 days' },
} as const;
