import type { Drain, Queue, Worker } from '../../src/lib/protocol';

/** 2026-11-27 22:30:00 UTC. */
export const NOW = Date.UTC(2026, 10, 27, 22, 30);

export function queue(name: string, fields: Partial<Queue> = {}): Queue {
  return {
    ...{ key: `s/${name}`, name, source: 's', engine: 'celery', depth: 0, unacked: null, scheduled: null },
    ...{ deferred: null, running: null, failed: null, consumers: 1, oldest_at: null, at: null },
    ...{ detail: null, depths: [], depths_at: null, unknown: {} },
    ...fields,
  };
}

/** `depths` of the minutes up to `NOW`. */
export function counted(...depths: (number | null)[]): Partial<Queue> {
  return { depths, depths_at: new Date(NOW).toISOString(), depth: depths.at(-1) ?? null };
}

export function drain(fields: Partial<Drain> = {}): Drain {
  return {
    ...{ source: 's', queue: 'q', depth: 0, finished_per_second: null, seconds_to_drain: null, reason: null },
    ...{ in_per_second: null, out_per_second: null, net_drain_seconds: null, grows: null, unknown: {} },
    ...fields,
  };
}

export function worker(name: string, fields: Partial<Worker> = {}): Worker {
  return {
    ...{ key: `s/${name}`, name, source: 's', engine: 'celery', state: 'online', hostname: null, pid: null },
    ...{ pool: 'prefork', concurrency: 4, active: 0, reserved: 0, prefetch: 4, processed: 0, failed: null },
    ...{ queues: ['vod'], load: null, heartbeat_at: null, started_at: null, version: null, events: true },
    ...{ events_enabled_by_us: false, clock_skew_seconds: null, current: [], detail: null, unknown: {} },
    ...fields,
  };
}
