// TEST ONLY. Windows over the imitated world: the push protocol of docs/architecture.md.

const STATES = ['succeeded', 'failed', 'revoked', 'rejected', 'lost', 'retrying', 'scheduled'];
const counts = () => ({ total: 0, active: 0, reserved: 0, queued: 0, finished: 0 });

export function summary(world, filter) {
  const result = { ...counts(), ...Object.fromEntries(STATES.map((state) => [state, 0])), by_kind: {} };
  for (const task of world.list().filter((each) => has(filter.source, each.source))) {
    const kind = (result.by_kind[task.kind] ??= counts());
    kind.total += 1;
    kind[task.group] += 1;
    if (!has(filter.kind, task.kind)) continue;
    result.total += 1;
    result[task.group] += 1;
    if (task.state in result && task.state !== 'reserved' && task.state !== 'queued') result[task.state] += 1;
  }
  const depths = world.queues().flatMap((queue) => (queue.depth === null ? [] : [queue.depth]));
  result.broker_queued = depths.length > 0 && !filter.kind?.length ? depths.reduce((a, b) => a + b) : null;
  return result;
}

const has = (wanted, value) => !wanted?.length || wanted.includes(value);
const matches = (filter, task) => Object.entries(filter).every(([field, wanted]) => has(wanted, task[field]));

function order(sort) {
  const field = sort.replace(/^-/, '');
  const sign = sort.startsWith('-') ? -1 : 1;
  const newest = (a, b) => (a.updated_at < b.updated_at ? 1 : -1);
  if (field === 'live') return (a, b) => (b.group === 'active') - (a.group === 'active') || newest(a, b);
  return (a, b) => {
    const [x, y] = [a[field], b[field]];
    if (x === null || y === null) return (x === null) - (y === null);
    return (x < y ? -1 : x > y ? 1 : 0) * sign || newest(a, b);
  };
}

export class Client {
  #world;
  #socket;
  #joined = null;
  #sent = new Map();

  constructor(world, socket) {
    this.#world = world;
    this.#socket = socket;
    this.#send('connected', { status: 'connected', timestamp: new Date().toISOString(), protocol: 1 });
    socket.on('message', (text) => this.#receive(JSON.parse(text)));
  }

  #receive({ event, data }) {
    if (event === 'leave_task_monitoring') this.#joined = null;
    if (event === 'request_task_updates') this.#snapshot();
    if (event !== 'join_task_monitoring') return;
    this.#joined = { filter: {}, sort: '-updated_at', limit: 100, fields: null, since: null, ...data };
    this.#send('joined_room', { room: 'task_monitoring', status: 'joined' });
    this.#snapshot();
  }

  #window() {
    const found = this.#world.list().filter((task) => matches(this.#joined.filter, task));
    const tasks = found
      .sort(order(this.#joined.sort))
      .slice(0, this.#joined.limit)
      .map((task) => this.#row(task));
    return { total: found.length, tasks };
  }

  #row(task) {
    const { fields } = this.#joined;
    return fields === null ? task : Object.fromEntries(fields.map((field) => [field, task[field] ?? null]));
  }

  #moment() {
    const world = this.#world;
    return {
      ...{ position: `token-${world.seq}`, at: new Date().toISOString(), stale: world.stale },
      summary: summary(world, this.#joined.filter),
    };
  }

  #snapshot() {
    if (this.#joined === null) return;
    const { total, tasks } = this.#window();
    this.#sent = new Map(tasks.map((task) => [task.key, task.version]));
    const world = this.#world;
    const rest = { workers: world.workers(), queues: world.queues(), sources: world.sources() };
    this.#send('task_updates', { kind: 'snapshot', ...this.#moment(), total, tasks, ...rest });
  }

  delta() {
    if (this.#joined === null) return;
    const { total, tasks } = this.#window();
    const upsert = tasks.filter((task) => this.#sent.get(task.key) !== task.version);
    const now = new Map(tasks.map((task) => [task.key, task.version]));
    const remove = [...this.#sent.keys()].filter((key) => !now.has(key));
    this.#sent = now;
    const world = this.#world;
    this.#send('task_updates', {
      ...{ kind: 'delta', ...this.#moment(), total, upsert, remove, keys: null },
      workers: { upsert: world.workers(), remove: [], keys: null },
      queues: { upsert: world.queues(), remove: [], keys: null },
      sources: world.sources(),
    });
  }

  #send(event, data) {
    if (this.#socket.readyState === 1) this.#socket.send(JSON.stringify({ event, data }));
  }
}
