/**
 * What the api speaks, under the page's names: docs/architecture.md, "Push protocol" and "REST". The types are the api's own
 * description (`make contract` writes `../contract/`): a page that does not fit what the api says is not built.
 * Times are RFC 3339 UTC, durations seconds.
 */
import type { components as Pushed } from '../contract/push';
import type { components as Answered, operations } from '../contract/rest';

type Push = Pushed['schemas'];
type Rest = Answered['schemas'];

export const PROTOCOL = 1;

export type Engine = Rest['Engine'];
export type Group = Rest['Group'];
export type State = Rest['State'];
export type WorkerState = Rest['WorkerState'];
export type SourceStatus = Rest['SourceStatus'];

/** All that lists have of a task; without `fields` they have it all. */
export type TaskRow = Rest['TaskRow'];
export type TaskField = keyof TaskRow;

/** What a row of the table needs. */
export const ROW_FIELDS = [
  ...['key', 'id', 'source', 'engine', 'state', 'group', 'version', 'name', 'kind', 'queue', 'worker'],
  ...['sent_at', 'received_at', 'started_at', 'finished_at', 'eta_at', 'updated_at', 'wait_seconds'],
  ...['runtime_seconds', 'retries', 'attempts', 'exception_type', 'exception', 'progress', 'detail'],
  ...['uncertain', 'unknown'],
] as const satisfies readonly TaskField[];

/** A task as the page asks to be told of it: the members of `ROW_FIELDS`. */
export type Task = Pick<TaskRow, (typeof ROW_FIELDS)[number]>;
/** A task as `/api/tasks/{source}/{id}` answers it. */
export type TaskDetail = Rest['TaskDetail'];
export type Progress = Rest['ProgressRow'];
export type Attempt = Rest['AttemptRow'];
export type Place = Rest['PlaceRow'];
export type Relative = Rest['Relative'];
export type Relatives = Rest['Relatives'];
/** A page of tasks, asked for without `fields`. */
export type TaskList = Rest['TaskList'];
/** A page of tasks, asked for with these `fields`. */
export type TaskListOf<Field extends TaskField> = Omit<TaskList, 'items'> & { items: Pick<TaskRow, Field>[] };
export type TaskQuery = Query<'get_tasks'>;

export type Worker = Rest['WorkerRow'];
export type WorkerList = Rest['WorkerList'];
/** A worker as `/api/workers/{source}/{name}` answers it. */
export type WorkerDetail = Rest['WorkerDetail'];
export type Queue = Rest['QueueRow'];
export type QueueList = Rest['QueueList'];
export type Source = Rest['SourceRow'];
export type SourceList = Rest['SourceList'];
export type Kind = Rest['KindRow'];
export type KindList = Rest['KindList'];
export type KindCounts = Rest['GroupCounts'];
export type Summary = Rest['Summary'];

export type Facets = Rest['Facets'];
export type Facet = Rest['Facet'];
export type FacetValue = Rest['FacetValue'];
export type FacetField = keyof Facets['facets'];
export type FacetsQuery = Query<'get_facets'>;

/** The body of `/api/tasks/analytics`. */
export type Analytics = Rest['Analytics'];
export type AnalyticsTotals = Rest['Totals'];
export type AnalyticsGroup = Rest['GroupRow'];
export type AnalyticsChange = Rest['Change'];
export type AnalyticsExample = Rest['ExampleRow'];
export type AnalyticsQuery = Query<'get_analytics'>;
export type Grouping = Analytics['group_by'];
export type Stretch = Rest['StretchRow'];
export type Durations = Rest['DurationsRow'];
/** Columns of a series: the number at an index belongs to the start at that index. */
export type Series = Rest['Columns'];
export type GroupSeries = Rest['GroupSeries'];
export type SeriesSet = Rest['SeriesRow'];
export type KindShare = Rest['KindShare'];
export type LastDay = Rest['LastDay'];
export type Drain = Rest['DrainRow'];
export type Gap = Rest['Gap'];

/** The body of `/api/tasks/analytics/failures`. */
export type Failures = Rest['Failures'];
export type FailureGroup = Rest['FailureRow'];
export type FailureExample = Rest['FailureExample'];
export type FailuresQuery = Query<'get_failures'>;

/** Who looks at the page: `/api/session`; `sources` null: all of them. */
export type Who = Rest['WhoAmI'];
export type Role = NonNullable<Who['role']>;
export type Mode = Who['modes'][number];
/** The body of `/api/health`. */
export type Health = Rest['Health'];
export type SourceHealth = Rest['SourceHealth'];
export type Dependency = Rest['Dependency'];
export type Problem = Rest['Problem'];

/** The parameters of a route's query string. */
type Query<Operation extends keyof operations> = NonNullable<
  Extract<operations[Operation]['parameters'], { query?: unknown }>['query']
>;

export type Filter = Push['Filter'];
/** What is said to join a window; the position is added to it. `limit`: at most 500. */
export type Subscription = { [Member in 'filter' | 'sort' | 'limit']: NonNullable<Push['Join'][Member]> } & {
  fields: readonly TaskField[] | null;
};

export type Snapshot = Omit<Push['SnapshotData'], 'tasks'> & { tasks: Task[] };
/** `keys`: all there are, in the answer to a resume token; whatever else is held has left. Null in every other delta. */
export type Change<Row> = Omit<Push['Changes_WorkerRow_'], 'upsert'> & { upsert: Row[] };
export type Delta = Omit<Push['DeltaData'], 'upsert'> & Change<Task>;

type Message<Event extends Push['ServerMessage']['event']> = Extract<Push['ServerMessage'], { event: Event }>;
export type ServerMessage =
  | Message<'connected' | 'joined_room' | 'resync' | 'error'>
  | { event: Message<'task_updates'>['event']; data: Snapshot | Delta };
