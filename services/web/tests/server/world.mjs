// TEST ONLY. A small imitation of a cluster: tasks of both engines that move, for looking at the page and for its tests.
import { randomUUID } from 'node:crypto';

const NAMES = [
  ['archive.vod.process_video', 'vod', 'vod', 'celery'],
  ['archive.vod.extract_thumbnails', 'vod', 'vod', 'celery'],
  ['archive.transcription.transcribe', 'transcription', 'transcription', 'celery'],
  ['archive.cleanup.purge_expired', 'cleanup', 'maintenance', 'celery'],
  ['archive.reports.send_digest', 'other', 'celery', 'celery'],
  ['media.jobs.hash_video_file', 'vod', 'default', 'rq'],
  ['media.jobs.compress_logs', 'other', 'low', 'rq'],
];
const MESSAGES = ['encoding segment', 'reading chunk', 'aligning words', 'hashing block'];
const FAILURES = [
  ['ValueError', "bad header in segment 14: expected 'ftyp', got 0x00000000"],
  ['ConnectionError', 'storage.internal:9000 refused the connection'],
  ['SoftTimeLimitExceeded', 'SoftTimeLimitExceeded()'],
];
const SLOTS = {
  ...{ 'celery@transcode-7f9c': 8, 'celery@transcribe-1': 1, 'celery@janitor-2': 4 },
  'rq-worker-3d1e0c9f4b': 1,
};
const GROUPS = {
  ...{ scheduled: 'queued', deferred: 'queued', queued: 'queued', retrying: 'queued' },
  ...{ reserved: 'reserved', running: 'active' },
};
const pick = (items) => items[Math.floor(Math.random() * items.length)];
const time = (ms) => (ms === null ? null : new Date(ms).toISOString());

export class World {
  tasks = new Map();
  seq = 0;
  stale = false;
  mode;

  constructor(mode) {
    this.mode = mode;
    if (mode === 'busy')
      for (let index = 0; index < 2500; index += 1) this.step(Date.now() - (2500 - index) * 60);
  }

  get bare() {
    return this.mode === 'empty';
  }

  sources() {
    if (this.bare) return [];
    const now = Date.now();
    const common = {
      reason: null,
      notes: [],
      since: time(now - 3_600_000),
      holder: 'collector-1',
      ...{ received: 12345, malformed: 0, dropped: 0, late: 0, events_per_second: 38.4, lag_seconds: 0.012 },
      ...{ retained: this.tasks.size, evicted: 0, uncounted_queued: 0, at: time(now) },
      kinds: ['vod', 'transcription', 'cleanup'],
      stale: this.stale ? 'no message from the collector for 12 s' : null,
      ...{ events: true, result_backend: true },
    };
    const ill = this.mode === 'degraded';
    return [
      { ...common, key: 'archive', name: 'archive', engine: 'celery', status: 'up', transport: 'redis' },
      {
        ...common,
        ...{ key: 'media', name: 'media', engine: 'rq', transport: 'redis', events_per_second: 2.1 },
        status: ill ? 'down' : 'up',
        reason: ill ? 'Connection refused by redis://rq.internal:6379 (retrying every 5 s)' : null,
      },
      ...(ill
        ? [
            {
              ...common,
              ...{ key: 'billing', name: 'billing', engine: 'celery', transport: 'amqp', status: 'degraded' },
              reason: 'No result backend: outcomes come from events alone',
            },
          ]
        : []),
    ];
  }

  workers() {
    if (this.bare || this.mode === 'quiet') return [];
    const now = Date.now();
    const worker = (name, source, engine, extra) => ({
      ...{ key: `${source}/${name}`, name, source, engine, state: 'online', hostname: 'node-1', pid: 4242 },
      ...{
        pool: 'prefork',
        concurrency: 8,
        reserved: 0,
        prefetch: 4,
        processed: 1200,
        failed: 3,
        version: '5.5',
      },
      ...{
        queues: ['celery'],
        load: [0.61, 0.5, 0.4],
        heartbeat_at: time(now - (now % 2000)),
        started_at: time(now),
      },
      ...{ events: true, events_enabled_by_us: false, clock_skew_seconds: 0, current: [], detail: null },
      active: this.list().filter((task) => task.worker === name && task.state === 'running').length,
      ...extra,
    });
    return [
      worker('celery@transcode-7f9c', 'archive', 'celery', { queues: ['vod', 'celery'], reserved: 3 }),
      worker('celery@transcribe-1', 'archive', 'celery', {
        ...{ pool: 'solo', concurrency: 1, state: 'silent', queues: ['transcription'] },
        ...{ heartbeat_at: time(now - 48_000), detail: 'busy solo worker gives no sign of life', load: null },
      }),
      worker('celery@janitor-2', 'archive', 'celery', {
        pool: 'threads',
        concurrency: 4,
        queues: ['maintenance'],
      }),
      worker('rq-worker-3d1e0c9f4b', 'media', 'rq', {
        ...{
          pool: null,
          concurrency: 1,
          load: null,
          queues: ['default', 'low'],
          reserved: null,
          prefetch: null,
        },
      }),
      worker('celery@old-node', 'archive', 'celery', {
        state: 'offline',
        heartbeat_at: time(now - 7_200_000),
      }),
    ];
  }

  queues() {
    if (this.bare) return [];
    const queue = (name, source, engine, consumers, extra = {}) => ({
      ...{
        key: `${source}/${name}`,
        name,
        source,
        engine,
        consumers,
        unacked: engine === 'celery' ? 3 : null,
      },
      depth: this.list().filter((task) => task.queue === name && task.state === 'queued').length,
      ...{
        scheduled: null,
        deferred: null,
        running: null,
        failed: null,
        oldest_at: null,
        at: time(Date.now()),
      },
      ...{ detail: null, ...extra },
    });
    return [
      queue('vod', 'archive', 'celery', 1),
      queue('transcription', 'archive', 'celery', 1),
      queue('maintenance', 'archive', 'celery', 1),
      queue('celery', 'archive', 'celery', 0),
      queue('default', 'media', 'rq', 1, { scheduled: 2, failed: 4, oldest_at: time(Date.now() - 92_000) }),
      queue('low', 'media', 'rq', 1, { depth: null, detail: null }),
    ];
  }

  list() {
    return [...this.tasks.values()];
  }

  /** One thing happens; returns the keys that changed. */
  step(now = Date.now()) {
    if (this.mode === 'empty' || this.mode === 'quiet') return [];
    const open = this.list().filter((task) => task.group !== 'finished');
    const dice = Math.random();
    let task;
    if (open.length < 60 && dice < 0.3) task = this.#begin(now);
    else {
      const running = open.filter((each) => each.state === 'running');
      const waiting = open.filter((each) => each.state !== 'running' && this.#free(each, running));
      task = pick(dice < 0.85 || waiting.length === 0 ? running : waiting);
      if (task === undefined) task = this.#begin(now);
      else task = this.#move(task, now);
    }
    this.seq += 1;
    task = {
      ...task,
      version: `1-${this.seq}`,
      updated_at: time(now),
      group: GROUPS[task.state] ?? 'finished',
    };
    this.tasks.set(task.key, task);
    if (this.tasks.size > 3000) this.tasks.delete(this.tasks.keys().next().value);
    return [task.key];
  }

  /** Whether its worker has a free slot for it (or room to fetch it). */
  #free(task, running) {
    if (task.state === 'scheduled' || task.state === 'retrying') return Math.random() < 0.1;
    const worker = this.#worker(task);
    const busy = running.filter((each) => each.worker === worker).length;
    return (
      busy < SLOTS[worker] || (task.state === 'queued' && task.engine === 'celery' && Math.random() < 0.2)
    );
  }

  #begin(now) {
    const [name, kind, queue, engine] = pick(NAMES);
    const id = randomUUID();
    const source = engine === 'celery' ? 'archive' : 'media';
    const blind = queue === 'maintenance';
    const scheduled = Math.random() < 0.08;
    return {
      ...{ key: `${source}/${id}`, id, source, engine, name, kind, queue, worker: null },
      ...{ state: scheduled ? 'scheduled' : 'queued', sent_at: blind ? null : time(now), received_at: null },
      ...{
        started_at: null,
        finished_at: null,
        eta_at: scheduled ? time(now + 90_000) : null,
        expires_at: null,
      },
      ...{ wait_seconds: null, runtime_seconds: null, retries: 0, attempts: 0, progress: null },
      ...{
        args: "('/archive/2026/11/episode-0412.mxf', 'h264')",
        kwargs: "{'preset': 'slow', 'token': '***'}",
      },
      ...{
        result: null,
        exception_type: null,
        exception: null,
        traceback: null,
        detail: null,
        uncertain: null,
      },
      ...{ root_id: id, parent_id: null, group_id: null, children: [], priority: null, cpu_seconds: null },
      ...{ peak_rss_bytes: null, trace_id: null, history: [] },
      unknown: blind
        ? {
            sent_at: 'the application does not send task-sent events (task_send_sent_event)',
            wait_seconds: 'the time of sending is unknown',
          }
        : {},
    };
  }

  #move(task, now) {
    if (task.state === 'running') return this.#work(task, now);
    const worker = this.#worker(task);
    const busy = this.list().filter((each) => each.worker === worker && each.state === 'running').length;
    if (busy >= SLOTS[worker] && task.state !== 'queued') return task;
    if (task.state === 'queued' && task.engine === 'celery' && (busy >= SLOTS[worker] || Math.random() < 0.5))
      return { ...task, state: 'reserved', received_at: time(now), worker: this.#worker(task) };
    const wait = task.sent_at === null ? null : (now - Date.parse(task.sent_at)) / 1000;
    return {
      ...{ ...task, state: 'running', started_at: time(now), worker: this.#worker(task), wait_seconds: wait },
      ...{ attempts: task.attempts + 1, eta_at: null, exception: null, exception_type: null },
      uncertain:
        task.kind === 'transcription' && Math.random() < 0.5 ? 'its solo worker gives no sign of life' : null,
    };
  }

  #worker(task) {
    if (task.engine === 'rq') return 'rq-worker-3d1e0c9f4b';
    const homes = { transcription: 'celery@transcribe-1', maintenance: 'celery@janitor-2' };
    return homes[task.queue] ?? 'celery@transcode-7f9c';
  }

  #work(task, now) {
    const percent = (task.progress?.percent ?? 0) + 6 + Math.random() * 16;
    const silent = task.kind === 'cleanup';
    if (percent < 100 && !(silent && Math.random() < 0.2)) {
      if (silent) return task;
      const progress = { current: Math.round(percent), total: 100, percent, at: time(now) };
      return { ...task, progress: { ...progress, message: `${pick(MESSAGES)} ${Math.round(percent)}` } };
    }
    return this.#end(task, now);
  }

  #end(task, now) {
    const runtime = (now - Date.parse(task.started_at)) / 1000;
    const ended = { ...task, finished_at: time(now), runtime_seconds: runtime, uncertain: null };
    const dice = Math.random();
    if (dice < 0.8)
      return { ...ended, state: 'succeeded', result: "{'bytes': 734003200, 'seconds': 2712.4}" };
    const [exception_type, exception] = pick(FAILURES);
    const failure = { exception_type, exception, traceback: TRACEBACK + `${exception_type}: ${exception}\n` };
    const attempt = {
      ...{ number: task.attempts, state: 'retrying', worker: task.worker, queued_at: task.sent_at },
      ...{ received_at: task.received_at, started_at: task.started_at, finished_at: time(now) },
      ...{ wait_seconds: task.wait_seconds, runtime_seconds: runtime, exception_type, exception },
    };
    if (dice < 0.88)
      return {
        ...{ ...ended, ...failure, state: 'retrying', retries: task.retries + 1, progress: null },
        ...{
          finished_at: null,
          runtime_seconds: null,
          eta_at: time(now + 20_000),
          history: [...task.history, attempt],
        },
      };
    if (dice < 0.96) return { ...ended, ...failure, state: 'failed' };
    if (dice < 0.98) return { ...ended, state: 'revoked', detail: 'terminated' };
    return {
      ...ended,
      state: 'lost',
      exception_type: 'WorkerLostError',
      exception: 'exited: signal 9 (SIGKILL)',
    };
  }
}

const TRACEBACK = `Traceback (most recent call last):
  File "/app/celery/app/trace.py", line 453, in trace_task
    R = retval = fun(*args, **kwargs)
  File "/app/archive/vod.py", line 88, in process_video
    segment = self.reader.segment(index)
  File "/app/archive/reader.py", line 41, in segment
    raise ValueError(f"bad header in segment {index}: expected {FTYP!r}, got {head:#010x}")
`;
