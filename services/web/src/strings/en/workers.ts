import { plural } from '../plural';

/** The pages of workers. */
export const workers = {
  label: 'Workers',
  states: {
    online: { label: 'Online', says: 'It gives signs of life' },
    silent: { label: 'Silent', says: 'It gives no sign of life, but may be busy' },
    lost: { label: 'Lost', says: 'It gave no sign of life for too long, and did not say that it stops' },
    offline: { label: 'Offline', says: 'It said that it stops' },
  },
  beat: (ago: string) => `seen ${ago}`,
  beatNever: 'no sign of life is known',
  beatAt: (moment: string) => `Last sign of life: ${moment}`,
  search: 'Search workers',
  queue: 'Queue that they take from',
  filters: { states: 'State', all: 'All' },
  stats: {
    online: 'Online',
    onlineNote: (silent: number, offline: number) =>
      [silent > 0 ? `${silent} silent` : '', offline > 0 ? `${offline} offline` : '']
        .filter(Boolean)
        .join(' · '),
    onlineAll: 'none silent, none offline',
    lost: 'Lost',
    lostNone: 'all gave a sign of life',
    lostSome: 'without saying that they stop',
    busy: 'Slots busy',
    busyNote: (share: string, reserved: string) => `${share} of all · ${reserved} reserved`,
    busyUncounted: (uncounted: number) =>
      `without ${plural(uncounted, 'worker', 'workers')} whose slots are not known`,
    events: 'Events off',
    eventsNone: 'all that can send events do',
    eventsSome: 'their tasks are seen late',
    ended: 'Ended in the last hour',
    failed: (count: string) => `${count} failed or lost`,
  },
  columns: {
    name: 'Worker',
    state: 'State',
    busy: 'Busy slots',
    reserved: ['Reserved', 'Tasks it took and did not start, and how many messages it may hold'],
    load: ['Load', 'Load of its machine in the last minute'],
    started: 'Up for',
    processed: ['Processed', 'Tasks it ran since it started'],
    ended: ['Last hour', 'Tasks that ended on it in the last hour, each bar two minutes; failed ones in red'],
    queues: 'Takes from',
  },
  cells: {
    prefetch: (prefetch: number) => `of ${prefetch}`,
    prefetchTitle: 'It may hold so many messages that it did not acknowledge',
    failed: (count: string) => `${count} failed`,
    failedOf: (count: string) => `${count} failed since it started`,
    hour: (name: string, ended: string, failed: string) =>
      `${name}: ${ended} ended in the last hour, ${failed} of them failed or were lost`,
    noChart: 'Drawn for the 50 busiest workers of a source; its own page has its chart.',
    noneEnded: 'Nothing ended on it in the last hour',
    hourUnknown: 'The figures of the last hour could not be read',
    eventsOff: 'events off',
    noQueues: 'from nothing',
    moreQueues: (more: number) => `+${more}`,
    load: (one: string, five: string, fifteen: string) =>
      `${one} in 1, ${five} in 5, ${fifteen} in 15 minutes`,
    startedAt: (moment: string) => `Since ${moment}`,
    wasUp: 'It is not there any more',
  },
  empty: {
    title: 'No worker yet',
    text: 'Workers appear here by themselves: Celery’s when they send a heartbeat or answer, RQ’s when they register in Redis.',
    filtered: 'No worker is like this',
    filteredText: (all: number) =>
      `${plural(all, 'worker is', 'workers are')} not shown because of the filters.`,
    clear: 'Show all workers',
  },
} as const;
