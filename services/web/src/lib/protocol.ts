/** What the api speaks: docs/architecture.md, "Push protocol" and "REST". Times are RFC 3339 UTC, durations seconds. */

export const PROTOCOL = 1;

export type Engine = 'celery' | 'rq';
export type Group = 'queued' | 'reserved' | 'active' | 'finished';
export type State =
  | 'scheduled'
  | 'deferred'
  | 'queued'
  | 'reserved'
  | 'running'
  | 'retrying'
  | 'succeeded'
  | 'failed'
  | 'revoked'
  | 'rejected'
  | 'lost';

export interface Progress {
  current: number | null;
  total: number | null;
  /** 0 to 100. */
  percent: number | null;
  message: string | null;
  at: string | null;
}

export interface Attempt {
  number: number;
  state: State;
  worker: string | null;
  queued_at: string | null;
  received_at: string | null;
  started_at: string | null;
  finished_at: string | null;
  wait_seconds: number | null;
  runtime_seconds: number | null;
  exception_type: string | null;
  exception: string | null;
}

/** A task as lists and push carry it. */
export interface Task {
  /** `source/id`. */
  key: string;
  id: string;
  source: string;
  engine: Engine;
  state: State;
  group: Group;
  version: string;
  name: string | null;
  kind: string;
  queue: string | null;
  worker: string | null;
  sent_at: string | null;
  received_at: string | null;
  started_at: string | null;
  finished_at: string | null;
  eta_at: string | null;
  updated_at: string | null;
  wait_seconds: number | null;
  runtime_seconds: number | null;
  retries: number;
  attempts: number;
  exception_type: string | null;
  exception: string | null;
  progress: Progress | null;
  detail: string | null;
  uncertain: string | null;
  /** Why a field is null, for what cannot be known. */
  unknown: Record<string, string>;
}

/** A task as `/api/tasks/{source}/{id}` answers it. */
export interface TaskDetail extends Task {
  expires_at: string | null;
  args: string | null;
  kwargs: string | null;
  result: string | null;
  traceback: string | null;
  history: Attempt[];
  children: string[];
  root_id: string | null;
  parent_id: string | null;
  group_id: string | null;
  priority: number | null;
  cpu_seconds: number | null;
  peak_rss_bytes: number | null;
  trace_id: string | null;
}

export type WorkerState = 'online' | 'silent' | 'offline' | 'lost';

export interface Worker {
  key: string;
  name: string;
  source: string;
  engine: Engine;
  state: WorkerState;
  hostname: string | null;
  pid: number | null;
  pool: string | null;
  concurrency: number | null;
  active: number | null;
  reserved: number | null;
  processed: number | null;
  queues: string[] | null;
  load: [number, number, number] | null;
  heartbeat_at: string | null;
  version: string | null;
  events: boolean | null;
  detail: string | null;
}

export interface Queue {
  key: string;
  name: string;
  source: string;
  engine: Engine;
  depth: number | null;
  unacked: number | null;
  scheduled: number | null;
  deferred: number | null;
  running: number | null;
  failed: number | null;
  consumers: number | null;
  oldest_at: string | null;
  at: string | null;
  detail: string | null;
}

export type SourceStatus = 'starting' | 'up' | 'degraded' | 'down';

export interface Source {
  key: string;
  name: string;
  engine: Engine;
  status: SourceStatus;
  reason: string | null;
  notes: string[];
  since: string | null;
  transport: string | null;
  dropped: number;
  malformed: number;
  events_per_second: number;
  lag_seconds: number | null;
  retained: number;
  evicted: number;
  uncounted_queued: number;
  kinds: string[];
  /** Why the api may be behind the collector; null: it is not. */
  stale: string | null;
}

export interface KindCounts {
  total: number;
  active: number;
  reserved: number;
  queued: number;
  finished: number;
}

export interface Summary extends KindCounts {
  succeeded: number;
  failed: number;
  revoked: number;
  rejected: number;
  lost: number;
  retrying: number;
  scheduled: number;
  by_kind: Record<string, KindCounts>;
  /** Messages in the brokers' queues; null where a broker cannot say. */
  broker_queued: number | null;
}

export interface Filter {
  state?: string[];
  kind?: string[];
  queue?: string[];
  worker?: string[];
  source?: string[];
}

export interface Subscription {
  filter: Filter;
  sort: string;
  /** At most 500. */
  limit: number;
  fields: readonly string[] | null;
}

interface Moment {
  position: string;
  at: string;
  stale: boolean;
  summary: Summary;
  total: number;
}

export interface Snapshot extends Moment {
  kind: 'snapshot';
  tasks: Task[];
  workers: Worker[];
  queues: Queue[];
  sources: Source[];
}

export interface Change<T> {
  upsert: T[];
  remove: string[];
  /** All there are, in the answer to a resume token: whatever else is held has left. Null in every other delta. */
  keys: string[] | null;
}

export interface Delta extends Moment, Change<Task> {
  kind: 'delta';
  workers: Change<Worker> | null;
  queues: Change<Queue> | null;
  sources: Source[] | null;
}

export interface Problem {
  type: string;
  title: string;
  detail: string | null;
  field?: string | null;
}

export type ServerMessage =
  | { event: 'connected'; data: { status: string; timestamp: string; protocol: number } }
  | { event: 'joined_room'; data: { room: string; status: string } }
  | { event: 'task_updates'; data: Snapshot | Delta }
  | { event: 'resync'; data: { reason: string } }
  | { event: 'error'; data: Problem };

/** What a row of the table needs. */
export const ROW_FIELDS = [
  ...['key', 'id', 'source', 'engine', 'state', 'group', 'version', 'name', 'kind', 'queue', 'worker'],
  ...['sent_at', 'received_at', 'started_at', 'finished_at', 'eta_at', 'updated_at', 'wait_seconds'],
  ...['runtime_seconds', 'retries', 'attempts', 'exception_type', 'exception', 'progress', 'detail'],
  ...['uncertain', 'unknown'],
] as const;
