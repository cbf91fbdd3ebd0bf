import type { Delta, Queue, Snapshot, Source, Summary, Task, Worker } from '../../src/lib/protocol';

const NONE = { total: 0, active: 0, reserved: 0, queued: 0, finished: 0 };

export const SUMMARY: Summary = {
  ...{ ...NONE, succeeded: 0, failed: 0, revoked: 0, rejected: 0, lost: 0, retrying: 0, scheduled: 0 },
  ...{ success_rate: null, by_kind: {}, broker_queued: null },
};

export function task(id: string, fields: Partial<Task> = {}): Task {
  return {
    ...{
      key: `s/${id}`,
      id,
      source: 's',
      engine: 'celery',
      state: 'queued',
      group: 'queued',
      version: '1-1',
    },
    ...{ name: 'app.work', kind: 'other', queue: 'celery', worker: null, sent_at: null, received_at: null },
    ...{ started_at: null, finished_at: null, eta_at: null, updated_at: null, wait_seconds: null },
    ...{ runtime_seconds: null, retries: 0, attempts: 0, exception_type: null, exception: null },
    ...{ progress: null, detail: null, uncertain: null, unknown: {}, ...fields },
  };
}

const MOMENT = { position: 'p', at: '2026-11-23T21:00:00.000Z', stale: false, summary: SUMMARY, total: 0 };

export function snapshot(tasks: Task[], fields: Partial<Snapshot> = {}): Snapshot {
  return { ...MOMENT, kind: 'snapshot', tasks, workers: [], queues: [], sources: [], ...fields };
}

export function delta(upsert: Task[], remove: string[], fields: Partial<Delta> = {}): Delta {
  const nothing = { keys: null, workers: null, queues: null, sources: null };
  return { ...MOMENT, kind: 'delta', upsert, remove, ...nothing, ...fields };
}

export function source(name: string, fields: Partial<Source> = {}): Source {
  return {
    ...{ key: name, name, engine: 'celery', status: 'up', reason: null, notes: [], since: null, holder: 'h' },
    ...{
      transport: 'redis',
      events: true,
      result_backend: true,
      received: 0,
      malformed: 0,
      dropped: 0,
      late: 0,
    },
    ...{ events_per_second: 0, lag_seconds: 0, retained: 0, evicted: 0, uncounted_queued: 0, at: null },
    ...{ kinds: [], stale: null, ...fields },
  };
}

export function worker(name: string, fields: Partial<Worker> = {}): Worker {
  return {
    ...{ key: `s/${name}`, name, source: 's', engine: 'celery', state: 'online', hostname: null, pid: null },
    ...{ pool: null, concurrency: null, active: null, reserved: null, prefetch: null, processed: null },
    ...{ failed: null, queues: null, load: null, heartbeat_at: null, started_at: null, version: null },
    ...{ events: null, events_enabled_by_us: false, clock_skew_seconds: null, current: [], detail: null },
    ...{ unknown: {}, ...fields },
  };
}

export function queue(name: string, fields: Partial<Queue> = {}): Queue {
  return {
    ...{ key: `s/${name}`, name, source: 's', engine: 'celery', depth: 0, unacked: null, scheduled: null },
    ...{
      deferred: null,
      running: null,
      failed: null,
      consumers: null,
      oldest_at: null,
      at: null,
      detail: null,
    },
    ...{ depths: [], depths_at: null, unknown: {}, ...fields },
  };
}
