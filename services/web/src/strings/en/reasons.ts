/** Words for codes of the api, and what one can do to know what is unknown. */
export const reasons = {
  unknownYet: 'Not known (yet)',
  fields: {
    sent_at: 'Time of sending',
    received_at: 'Time of receipt',
    started_at: 'Time of start',
    finished_at: 'Time of end',
    wait_seconds: 'Wait',
    runtime_seconds: 'Runtime',
    cpu_seconds: 'CPU time',
    peak_rss_bytes: 'Peak memory',
    trace_id: 'Trace',
    trace_url: 'Link to its trace',
    eta_at: 'Planned time',
    root_id: 'Root of its workflow',
    parent_id: 'Task that sent it',
    group_id: 'Group',
    kwargs: 'Keyword arguments',
    args: 'Arguments',
    exception_type: 'Type of its exception',
  },
  details: {
    result_ttl_0: 'Deleted as soon as it succeeded (result_ttl=0)',
    no_outcome: 'Ended, and nobody said how',
    worker_shutdown: 'Its worker was shut down',
    requeued: 'Put back into its queue',
    expired: 'It was not started before its time was over',
    redelivery_expected: 'Its worker went away; the broker delivers it again',
  },
  /** What makes a field known from the next task on, by what its reason speaks of. */
  advice: {
    sentEvent:
      'Set task_send_sent_event = True in the Celery configuration of whatever sends tasks. It takes effect with their next start.',
    results:
      'Give the application a result backend that Taskscope can read, and do not ignore the task’s results.',
    events: 'Run the workers with events on (celery worker -E), or let Taskscope switch them on.',
    extended: 'Set result_extended = True in Celery: results then name arguments, worker and queue.',
    tracing: 'Instrument producers and workers with OpenTelemetry: messages then carry a traceparent.',
    traceUrl: 'Set api.trace_url in Taskscope’s configuration to the address of your traces.',
    rqTtl: 'Enqueue with a result_ttl above 0: RQ then keeps the job, and how it ended, for so long.',
  },
} as const;
