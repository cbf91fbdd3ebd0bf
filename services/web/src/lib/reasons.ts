/** Words for the reasons that the api gives as short codes; what is already words stays as it is. */

const FIELD_NAMES: Record<string, string> = {
  sent_at: 'Time of sending',
  received_at: 'Time of receipt',
  started_at: 'Time of start',
  finished_at: 'Time of end',
  wait_seconds: 'Wait',
  runtime_seconds: 'Runtime',
  cpu_seconds: 'CPU time',
  peak_rss_bytes: 'Peak memory',
  trace_id: 'Trace',
  eta_at: 'Planned time',
};

export function fieldName(field: string): string {
  return FIELD_NAMES[field] ?? sentence(field.replace(/_(at|id|seconds|bytes)$/, ''));
}

const DETAILS: Record<string, string> = {
  result_ttl_0: 'Deleted as soon as it succeeded (result_ttl=0)',
  no_outcome: 'Ended, and nobody said how',
  worker_shutdown: 'Its worker was shut down',
  requeued: 'Put back into its queue',
};

/** `rate_limited` → `Rate limited`. */
export function sentence(code: string): string {
  const known = DETAILS[code];
  if (known !== undefined) return known;
  const words = code.includes(' ') ? code : code.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Why a field of a task is empty. */
export function whyUnknown(unknown: Record<string, string>, field: string): string {
  const reason = unknown[field];
  return reason === undefined ? 'Not known (yet)' : sentence(reason);
}

/** `vod` → `VOD`, `transcription` → `Transcription`. */
export function kindName(kind: string): string {
  return kind.length <= 3 ? kind.toUpperCase() : sentence(kind);
}
