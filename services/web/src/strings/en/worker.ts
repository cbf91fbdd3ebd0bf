/** The page of one worker. */
export const worker = {
  gone: 'This worker is not known',
  goneText:
    'It was never seen or is forgotten by now, its name changed with a restart, or you may not see its source.',
  all: 'All workers',
  facts: 'Facts',
  now: 'Running and reserved',
  nowEmpty: 'Nothing runs on it, and it holds nothing.',
  nowEmptyGone: 'It is not there: nothing runs on it.',
  failures: 'Recent failures',
  failuresEmpty: 'No failed or lost task of it is known.',
  registered: 'Registered tasks',
  registeredNone: 'It knows no tasks.',
  configuration: 'Configuration',
  configurationText: 'where it is not the default; secrets are left out',
  configurationNone: 'Nothing is different from the defaults.',
  asking: 'It is asked now; an answer takes up to 3 s.',
  askAgain: 'Ask again',
  skew: (seconds: string, ahead: boolean) => `${seconds} ${ahead ? 'ahead' : 'behind'}`,
  skewWarning: (skew: string) =>
    `It is ${skew}: waits and runtimes that compare its times with those of others are wrong by as much. Synchronise it (NTP).`,
  yes: 'yes',
  no: 'no',
  eventsByUs: 'yes, switched on by Taskscope',
  fields: {
    source: 'Source',
    version: 'Version',
    hostname: 'Host',
    pid: 'Process',
    pool: 'Pool',
    concurrency: 'Slots',
    prefetch: 'Prefetch',
    heartbeat_at: 'Last sign of life',
    started_at: 'Started',
    events: 'Sends events',
    clock_skew_seconds: 'Clock',
    detail: 'Says of itself',
  },
  trouble: {
    lost: (time: string) => `Lost: no sign of life for ${time}.`,
    lostNever: 'Lost: no sign of life.',
    lostText:
      'It ended without saying so (killed, out of memory, its machine is away), or it cannot reach its broker.',
    silent: 'Silent: it does not answer.',
    silentText:
      'A solo worker cannot answer while it runs a task. If it stays silent for longer than its tasks take, see it as lost.',
    todo: 'What to do',
    command: 'command',
    process: (pid: number | null, host: string | null) =>
      `See whether ${pid === null || host === null ? 'its process' : `process ${pid} on ${host}`} is there, and what its log says last.`,
    memory: 'Was it killed for memory? Then the kernel’s log names it:',
    broker: 'If it runs, look at its connection to the broker: a worker that lost it says so in its log.',
    celery:
      'Start it anew. What it ran comes again only if it is acknowledged late (acks_late): from Redis after the visibility timeout (an hour by default), from RabbitMQ at once. All else is lost, and shown as such.',
    rq: 'Start it anew. Its job may go on for a while without it; what does not end is moved to the failed ones by the next worker that cleans up, and can be requeued.',
    offline: 'Offline: it said that it stops. Nothing is wrong with that if somebody stopped it.',
  },
} as const;
