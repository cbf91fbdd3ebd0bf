import { plural } from '../plural';

type Engine = 'celery' | 'rq';
interface Words {
  text: string;
  code?: string;
}
type Advices = Readonly<Record<string, (engine: Engine) => Words>>;

const url = (engine: Engine): string => (engine === 'celery' ? 'broker_url' : 'redis_url');
const CHECK = 'taskscope check --config taskscope.yaml';

/** What to do about each reason that is known: docs/configuration.md has the settings. */
const advice = {
  refused: (engine) => ({
    text: `Nothing listens at that address. See that the server runs, and that ${url(engine)} names it as Taskscope sees it: in a container 127.0.0.1 is the container itself. Taskscope tries again by itself.`,
    code: CHECK,
  }),
  name: (engine) => ({
    text: `The host in ${url(engine)} is unknown where Taskscope runs. Use the name of the service as it is called in this network (in Kubernetes with its namespace).`,
    code: CHECK,
  }),
  slow: (engine) => ({
    text: `The server takes the connection and does not answer, or a firewall drops it. See its load, the network policy, and whether it wants TLS (rediss:// or amqps:// in ${url(engine)}).`,
    code: CHECK,
  }),
  password: (engine) => ({
    text: 'Put the password into the URL, by a variable or a file rather than in the text.',
    code: `${url(engine)}: \${${engine === 'celery' ? 'BROKER' : 'REDIS'}_URL}   # or {file: /secrets/${engine === 'celery' ? 'broker' : 'redis'}-url}`,
  }),
  credentials: (engine) => ({
    text: `User name or password in ${url(engine)} are wrong, or were changed. One in a file is read anew at each connection: a rotated secret needs no restart.`,
    code: `${url(engine)}: {file: /secrets/${engine === 'celery' ? 'broker' : 'redis'}-url}`,
  }),
  acl: () => ({
    text: 'The server knows the user and forbids the command that is named. Allow it in the ACL of the user that Taskscope has, or give it another one.',
    code: 'ACL LIST',
  }),
  loading: () => ({
    text: 'The server was started and reads its data. This ends by itself; nothing has to be done.',
  }),
  secret: () => ({
    text: 'The file with the URL is missing, empty or unreadable. Mount it again, or mend its rights: it is read anew at each try, and no restart is needed.',
  }),
  tls: (engine) => ({
    text: 'The certificate is not trusted, or is of another host. Name the CA in the URL.',
    code: `${url(engine)}: rediss://host:6379/0?ssl_ca_certs=/etc/ssl/our-ca.pem`,
  }),
  ended: () => ({
    text: 'The server ended the connection: it was restarted, or it closed a slow or idle client. Taskscope connects again by itself; if it goes on, look into the log of the server.',
    code: CHECK,
  }),
  polling: () => ({
    text: 'Redis did not take CLIENT TRACKING: it is older than 6, a proxy is in between, or its ACL forbids it. Everything is seen, but up to poll_seconds later. Where that is meant, say so, and this is no fault any more.',
    code: 'tracking: false\npoll_seconds: 1',
  }),
  resultsPolled: () => ({
    text: 'The result backend publishes more than can be read, or does not allow to subscribe. Outcomes are complete, progress is seen less often. It is tried again by itself; look whether ACL rules forbid PSUBSCRIBE.',
    code: 'ACL LIST',
  }),
  control: () => ({
    text: 'Workers do not answer remote control: what they hold and their slots are not current. See that worker_enable_remote_control is on, and that control_exchange is that of the application.',
    code: 'celery -A app inspect ping',
  }),
  results: () => ({
    text: 'The result backend cannot be read: there is no progress, and outcomes come from events alone. See that result_backend names the one of the application, as Taskscope sees it.',
    code: CHECK,
  }),
  internal: () => ({
    text: 'This is a fault of Taskscope. The log of the collector has the details; please report it with them. The source goes on by itself where it can.',
  }),
  noBackend: () => ({
    text: 'Name the result backend of the application to see progress, results and outcomes that no event told of.',
    code: 'result_backend: redis://broker:6379/1',
  }),
  otherBackend: () => ({
    text: 'Redis alone can be read as a result backend. Outcomes come from events; progress and results are not seen. Nothing has to be done if that is enough: leave result_backend out.',
  }),
  eventsForbidden: () => ({
    text: 'Let Taskscope switch task events on in workers, or start these with -E, to see each step as it happens.',
    code: 'enable_events: true   # or: celery -A app worker -E',
  }),
  noDispatcher: () => ({
    text: 'Events of these workers can not be switched on from outside. Start them with -E, or without --without-gossip and --without-heartbeat.',
    code: 'celery -A app worker -E',
  }),
  eventsOff: () => ({
    text: 'Somebody switched the events off for this source. Until they are on again tasks are polled, and short ones are missed.',
    code: 'taskscope events on --config taskscope.yaml',
  }),
  sent: () => ({
    text: 'Let the applications that send tasks say so: then the time of sending, the wait and the queue of each task are known. It is a setting of the senders, not of Taskscope.',
    code: 'app.conf.task_send_sent_event = True',
  }),
  amqp: () => ({
    text: 'AMQP lets nobody look into a queue. Let senders tell what they send, and waiting tasks are shown; depths are counted in any case.',
    code: 'app.conf.task_send_sent_event = True',
  }),
  notJson: () => ({
    text: 'Pickled results are never read, since that can run code. Store results as JSON to see them.',
    code: "app.conf.result_serializer = 'json'",
  }),
  tooFast: () => ({
    text: 'More events came than could be read, and what was missed is repaired from the workers and the result backend. If it happens often, give the collector more CPU, or watch this source with a collector of its own.',
  }),
  cut: () => ({
    text: 'The broker cut a subscriber that it held for too slow. Allow subscribers more to lag, and give the collector more CPU if it happens again.',
    code: 'CONFIG SET client-output-buffer-limit "pubsub 256mb 64mb 60"',
  }),
  interrupted: () => ({
    text: 'While the broker was away its events could not be heard; what happened meanwhile was asked of the workers and the result backend. This note goes away after 15 minutes.',
  }),
  numsub: () => ({
    text: 'Allow PUBSUB NUMSUB to the user of Taskscope, and killed workers are noticed within seconds.',
    code: 'ACL SETUSER taskscope +pubsub|numsub',
  }),
  evicted: () => ({
    text: 'Tasks were forgotten because a budget was full, before all of it was summed up. Keep more of them.',
    code: 'retention:\n  finished: 200000\n  failed: 40000',
  }),
  store: () => ({
    text: "Taskscope's own Redis is away, full or read-only. What is shown is what was read last. See the server of redis.url, its memory (maxmemory) and its disk.",
    code: 'redis-cli -u "$TASKSCOPE_REDIS_URL" INFO memory',
  }),
  collector: () => ({
    text: 'No collector writes this source: it ended, hangs, or cannot reach Redis. Start one, or look into its log and at its /readyz.',
    code: 'curl http://127.0.0.1:5052/readyz',
  }),
  waiting: () => ({
    text: 'Nothing of it is in Redis yet. It comes as soon as a collector with this source in its configuration runs with the same redis.url and redis.prefix.',
    code: 'curl http://127.0.0.1:5052/readyz',
  }),
  rebuilding: () => ({
    text: 'Redis came back with less than it had, so the collector writes everything anew. This takes some seconds and ends by itself.',
  }),
  lag: () => ({
    text: 'Events are read later than they happen. Give the collector more CPU, or watch this source with a collector of its own; look also whether the clocks of the workers are right.',
  }),
  dropped: () => ({
    text: 'More came than could be read. What was missed is asked of the workers and the result backend. Give the collector more CPU if the number grows.',
  }),
  malformed: () => ({
    text: 'Messages that are no events of Celery or no jobs of RQ came along: another application uses the same exchange, keys or database, or a worker has a version that is not known. The log of the collector names them.',
  }),
  uncounted: () => ({
    text: 'More tasks wait than are kept one by one; those beyond are in the numbers alone. Keep more of them if you look for single ones.',
    code: 'retention:\n  queued: 100000',
  }),
  generic: (engine) => ({
    text: `There is no advice for this one. Try the source by itself: what it answers is told step by step. The log of the collector has more (log_level: debug), and ${url(engine)} is the first to look at.`,
    code: CHECK,
  }),
} as const satisfies Advices;

export type AdviceKey = keyof typeof advice;

interface Counts {
  lag_seconds: number | null;
  dropped: number;
  malformed: number;
  uncounted_queued: number;
}

function signs(key: AdviceKey, counts: Counts): string {
  switch (key) {
    case 'lag':
      return `Events are read ${(counts.lag_seconds ?? 0).toFixed(1)} s after they happened`;
    case 'dropped':
      return `${plural(counts.dropped, 'message was', 'messages were')} dropped because too many waited`;
    case 'malformed':
      return `${plural(counts.malformed, 'message', 'messages')} could not be read`;
    default:
      return `${plural(counts.uncounted_queued, 'task that waits is', 'tasks that wait are')} only counted`;
  }
}

/** The sources: how each is, and what to do about it. */
export const sources = {
  advice: advice as Readonly<Record<AdviceKey, (engine: Engine) => Words>>,
  signs,
  noReason: 'No reason is known',
  note: (up: number, all: number) =>
    up === all ? `${plural(all, 'source is', 'sources are')} watched, all are up` : `${up} of ${all} are up`,
  back: 'All sources',
  since: (moment: string, ago: string) => `since ${moment} (${ago})`,
  engines: { celery: 'Celery', rq: 'RQ' },
  transports: {
    redis: 'over Redis',
    amqp: 'over AMQP',
    tracking: 'pushed by Redis',
    polling: 'polled from Redis',
  } as Readonly<Record<string, string>>,
  look: 'Look at',
  links: {
    realtime: 'Realtime',
    tasks: 'Tasks',
    workers: 'Workers',
    queues: 'Queues',
    analytics: 'Analytics',
  },
  of: (what: string, name: string) => `${what} of ${name}`,
  problems: {
    title: 'What is wrong',
    todo: 'What to do',
    copy: 'command',
    none: 'Nothing is wrong with this source.',
  },
  notes: {
    title: 'What is known less well',
    none: 'Nothing: all that can be known of this source is known.',
  },
  list: {
    notes: (count: number) => plural(count, 'note', 'notes'),
    none: {
      title: 'There is no such source',
      text: 'It is not configured (any more), or you may not see it.',
    },
    waiting: 'No source is known yet',
  },
  facts: {
    title: 'Facts',
    rate: 'Events a second',
    lag: 'Lag',
    received: 'Received',
    dropped: 'Dropped',
    malformed: 'Malformed',
    late: 'Late',
    retained: 'Tasks kept',
    evicted: 'Forgotten',
    uncounted: 'Only counted',
    holder: 'Collector',
    events: "Workers' events",
    results: 'Result backend',
    told: 'Last word',
    on: 'read',
    off: 'not read',
    does: 'does not apply to RQ',
    notKnown: 'not known yet',
    noHolder: 'no collector holds it',
    noLag: 'nothing came yet that says when it happened',
    noTold: 'the collector did not say anything yet',
    perSecond: (rate: string) => `${rate}/s`,
    titles: {
      rate: 'Messages that are read a second, lately',
      lag: 'From an event to its reading, lately',
      received: 'Messages since the collector started',
      dropped: 'Of those, dropped because too many waited',
      malformed: 'Of those, unreadable ones',
      late: 'Of those, too late to change anything',
      retained: 'Tasks that are remembered',
      evicted: 'Tasks forgotten because a budget was full',
      uncounted: 'Queued tasks beyond retention.queued, which are only counted',
      holder: 'The collector that writes it',
      events: "Whether workers' events are read",
      results: 'Whether a result backend is read',
      told: 'When the collector told this',
    },
  },
  api: {
    title: 'In the api',
    tasks: 'Tasks in memory',
    position: 'Read up to',
    snapshots: 'Read as a whole',
    gaps: 'Gaps in what was heard',
    undecodable: 'Unreadable messages',
    current: 'Current',
    yes: 'yes',
    noPosition: 'its log was not read yet',
    none: 'The api does not say anything of it.',
    titles: {
      tasks: 'What the api holds of it',
      position: 'How far its log was read: epoch-sequence',
      snapshots: 'How often all of it was read',
      gaps: 'How often something published was missed, and read from the log',
      undecodable: 'Messages of its collector that could not be read: another version?',
      current: 'Whether what is shown is behind its collector',
    },
  },
} as const;
