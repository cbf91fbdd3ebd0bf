import { plural } from '../plural';

type Engine = 'celery' | 'rq';

const CHECK = 'taskscope check --config taskscope.yaml';
const READY = 'curl http://127.0.0.1:5052/readyz';
const SENT = 'app.conf.task_send_sent_event = True';

/** What to do about each reason that is known, and a command or a setting that does it: docs/configuration.md has the settings. */
const advice = {
  refused: [
    'Nothing listens at that address. See that the server runs, and that {url} names it as Taskscope sees it: in a container 127.0.0.1 is the container itself.',
    CHECK,
  ],
  name: [
    'The host in {url} is unknown where Taskscope runs. Use the name that it has in this network (in Kubernetes with its namespace).',
    CHECK,
  ],
  slow: [
    'The server takes the connection and does not answer, or a firewall drops it. See its load, the network policy, and whether it wants TLS (rediss:// or amqps:// in {url}).',
    CHECK,
  ],
  password: [
    'Put the password into the URL, by a variable or a file rather than in the text.',
    '{url}: ${{VAR}_URL}   # or {file: /secrets/{var}-url}',
  ],
  credentials: [
    'User name or password in {url} are wrong, or were changed. A file is read anew at each connection: a rotated secret needs no restart.',
    '{url}: {file: /secrets/{var}-url}',
  ],
  acl: [
    'The server forbids the user of Taskscope the command that is named. Allow it in its ACL, or use another user.',
    'ACL LIST',
  ],
  loading: ['The server was started and reads its data. This ends by itself.'],
  secret: [
    'The file with the URL is missing, empty or unreadable. Mount it again, or mend its rights: it is read anew at each try, without a restart.',
  ],
  tls: [
    'The certificate is not trusted, or is of another host. Name the CA in the URL.',
    '{url}: rediss://host:6379/0?ssl_ca_certs=/etc/ssl/our-ca.pem',
  ],
  ended: [
    'The server was restarted, or closed a slow or idle client. Taskscope connects again by itself; if it goes on, look into the log of the server.',
    CHECK,
  ],
  polling: [
    'Redis did not take CLIENT TRACKING: it is older than 6, a proxy is in between, or its ACL forbids it. Everything is seen, but up to poll_seconds later. Where that is meant, say so.',
    'tracking: false\npoll_seconds: 1',
  ],
  resultsPolled: [
    'The result backend publishes more than can be read, or its ACL forbids PSUBSCRIBE. Outcomes are complete, progress is seen less often. It is tried again by itself.',
    'ACL LIST',
  ],
  control: [
    'Workers do not answer remote control: what they hold and their slots are not current. See that worker_enable_remote_control is on, and that control_exchange is that of the application.',
    'celery -A app inspect ping',
  ],
  results: [
    'The result backend cannot be read: there is no progress, and outcomes come from events alone. See that result_backend names that of the application, as Taskscope sees it.',
    CHECK,
  ],
  internal: [
    'This is a fault of Taskscope. Please report it with what the log of the collector says. The source goes on by itself where it can.',
  ],
  noBackend: [
    'Name the result backend of the application to see progress, results and outcomes that no event told of.',
    'result_backend: redis://broker:6379/1',
  ],
  otherBackend: [
    'Redis alone can be read as a result backend: outcomes come from events, progress and results are not seen. If that is enough, leave result_backend out.',
  ],
  eventsForbidden: [
    'Let Taskscope switch task events on in workers, or start these with -E, to see each step as it happens.',
    'enable_events: true   # or: celery -A app worker -E',
  ],
  noDispatcher: [
    'Events of these workers can not be switched on from outside. Start them with -E, or without --without-gossip and --without-heartbeat.',
    'celery -A app worker -E',
  ],
  eventsOff: [
    'Somebody switched the events off. Until they are on again tasks are polled, and short ones are missed.',
    'taskscope events on --config taskscope.yaml',
  ],
  sent: [
    'Let the applications that send tasks say so: then the time of sending, the wait and the queue of each task are known.',
    SENT,
  ],
  amqp: [
    'AMQP lets nobody look into a queue: depths are counted, and waiting tasks are shown if senders tell what they send.',
    SENT,
  ],
  notJson: [
    'Pickled results are never read, since that can run code. Store results as JSON to see them.',
    "app.conf.result_serializer = 'json'",
  ],
  tooFast: [
    'What was missed is asked of the workers and the result backend. If it happens often, give the collector more CPU, or watch this source with a collector of its own.',
  ],
  cut: [
    'The broker cut a subscriber that it held for too slow. Allow subscribers more to lag, and give the collector more CPU if it happens again.',
    'CONFIG SET client-output-buffer-limit "pubsub 256mb 64mb 60"',
  ],
  interrupted: [
    'What happened while the broker was away was asked of the workers and the result backend. This note goes away after 15 minutes.',
  ],
  numsub: [
    'Allow PUBSUB NUMSUB to the user of Taskscope, and killed workers are noticed within seconds.',
    'ACL SETUSER taskscope +pubsub|numsub',
  ],
  evicted: [
    'Tasks were forgotten because a budget was full, before all of it was summed up. Keep more of them.',
    'retention:\n  finished: 200000\n  failed: 40000',
  ],
  store: [
    "Taskscope's own Redis is away, full or read-only; what is shown was read last. See the server of redis.url, its memory (maxmemory) and its disk.",
    'redis-cli -u "$TASKSCOPE_REDIS_URL" INFO memory',
  ],
  collector: [
    'No collector writes this source: it ended, hangs, or cannot reach Redis. Start one, or look into its log and at its /readyz.',
    READY,
  ],
  waiting: [
    'Nothing of it is in Redis yet. It comes as soon as a collector with this source in its configuration runs with the same redis.url and redis.prefix.',
    READY,
  ],
  rebuilding: [
    'Redis came back with less than it had, so the collector writes everything anew. This ends by itself within seconds.',
  ],
  lag: [
    'Give the collector more CPU, or watch this source with a collector of its own; see also whether the clocks of the workers are right.',
  ],
  dropped: [
    'What was missed is asked of the workers and the result backend. Give the collector more CPU if the number grows.',
  ],
  malformed: [
    'They are no events of Celery or jobs of RQ: another application uses the same exchange, keys or database, or a worker has an unknown version. The log of the collector names them.',
  ],
  uncounted: ['Keep more of them one by one if you look for single ones.', 'retention:\n  queued: 100000'],
  generic: [
    'There is no advice for this one. Try the source by itself: it tells step by step what it answers. Look at {url} first; the log of the collector has more (log_level: debug).',
    CHECK,
  ],
} as const;

export type AdviceKey = keyof typeof advice;

/** In the words of an engine's settings. */
function adviceOn(key: AdviceKey, engine: Engine): (string | undefined)[] {
  const name = engine === 'celery' ? 'broker' : 'redis';
  const values: Readonly<Record<string, string>> = { url: `${name}_url`, var: name, VAR: name.toUpperCase() };
  return advice[key].map((text) =>
    text.replace(/\{(url|var|VAR)\}/g, (_, value: string) => values[value] ?? ''),
  );
}

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
  advice: adviceOn,
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
  of: (what: string, name: string) => `${what} of ${name}`,
  problems: {
    title: 'What is wrong',
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
  },
  facts: {
    title: 'Facts',
    rate: ['Events a second', 'Messages that are read a second, lately'],
    lag: ['Lag', 'From an event to its reading, lately'],
    received: ['Received', 'Messages since the collector started'],
    dropped: ['Dropped', 'Of those, dropped because too many waited'],
    malformed: ['Malformed', 'Of those, unreadable ones'],
    late: ['Late', 'Of those, too late to change anything'],
    retained: ['Tasks kept', 'Tasks that are remembered'],
    evicted: ['Forgotten', 'Tasks forgotten because a budget was full'],
    uncounted: ['Only counted', 'Queued tasks beyond retention.queued'],
    holder: ['Collector', 'The collector that writes it'],
    events: ["Workers' events", "Whether workers' events are read"],
    results: ['Result backend', 'Whether a result backend is read'],
    told: ['Last word', 'When the collector told this'],
    on: 'read',
    off: 'not read',
    does: 'does not apply to RQ',
    notKnown: 'not known yet',
    noHolder: 'no collector holds it',
    noLag: 'nothing came yet that says when it happened',
    noTold: 'the collector did not say anything yet',
    perSecond: (rate: string) => `${rate}/s`,
  },
  api: {
    title: 'In the api',
    current: ['Current', 'Whether what is shown is behind its collector'],
    tasks: ['Tasks in memory', 'What the api holds of it'],
    position: ['Read up to', 'How far its log was read: epoch-sequence'],
    snapshots: ['Read as a whole', 'How often all of it was read'],
    gaps: ['Gaps in what was heard', 'How often something published was missed, and read from the log'],
    undecodable: ['Unreadable messages', 'Of its collector; is that of another version?'],
    yes: 'yes',
    noPosition: 'its log was not read yet',
    none: 'The api does not say anything of it.',
  },
} as const;
