import type { Attempt, Relative, TaskDetail } from '../../src/lib/protocol';
import { task } from './samples';

export const BEGIN = Date.parse('2026-11-23T21:00:00Z');

/** The time so many seconds after the beginning. */
export function at(seconds: number): string {
  return new Date(BEGIN + seconds * 1000).toISOString();
}

export function detail(fields: Partial<TaskDetail> = {}): TaskDetail {
  const none = {
    ancestors: [],
    children: [],
    children_total: 0,
    group: [],
    group_total: 0,
    chord_body: null,
  };
  return {
    ...task('self'),
    ...{
      args: null,
      kwargs: null,
      result: null,
      root_id: null,
      parent_id: null,
      group_id: null,
      children: [],
    },
    ...{ priority: null, cpu_seconds: null, peak_rss_bytes: null, trace_id: null, expires_at: null },
    ...{ stale: false, traceback: null, history: [], history_left_out: 0, attempt: null, place: null },
    ...{ relatives: none, trace_url: null, ...fields },
  };
}

export function attempt(number: number, fields: Partial<Attempt> = {}): Attempt {
  return {
    ...{ number, state: 'running', worker: 'w', queued_at: null, received_at: null, started_at: null },
    ...{
      finished_at: null,
      wait_seconds: null,
      runtime_seconds: null,
      exception_type: null,
      exception: null,
    },
    ...{ unknown: {}, ...fields },
  };
}

export function relative(id: string, fields: Partial<Relative> = {}): Relative {
  return { id, source: 's', retained: true, name: `app.${id}`, state: 'succeeded', ...fields };
}
