/** Words for the reasons that the api gives as short codes; what is already words stays as it is. */
import { reasons } from '$strings/reasons';

const FIELD_NAMES: Readonly<Record<string, string>> = reasons.fields;
const DETAILS: Readonly<Record<string, string>> = reasons.details;

export function fieldName(field: string): string {
  return FIELD_NAMES[field] ?? sentence(field.replace(/_(at|id|seconds|bytes)$/, ''));
}

/** `rate_limited` → `Rate limited`. */
export function sentence(code: string): string {
  const known = DETAILS[code];
  if (known !== undefined) return known;
  const words = code.includes(' ') ? code : code.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Why a field of a task is empty. */
export function whyUnknown(unknown: Readonly<Record<string, string>>, field: string): string {
  const reason = unknown[field];
  return reason === undefined ? reasons.unknownYet : sentence(reason);
}

/** The reasons are the api's (taskscope_shared/reasons.py): each speaks of what is missing. */
const ADVICE: readonly [RegExp, string][] = [
  [/task_send_sent_event/, reasons.advice.sentEvent],
  [/api\.trace_url/, reasons.advice.traceUrl],
  [/message headers alone/, reasons.advice.tracing],
  [/result_ttl=0/, reasons.advice.rqTtl],
  [/no result was stored/, reasons.advice.results],
  [/message or result with its arguments|result told which worker/, reasons.advice.extended],
  [/no event/, reasons.advice.events],
];

/** What to set, so that it is known of the next task; null where nothing helps. */
export function advice(reason: string): string | null {
  return ADVICE.find(([pattern]) => pattern.test(reason))?.[1] ?? null;
}

/** `vod` → `VOD`, `transcription` → `Transcription`. */
export function kindName(kind: string): string {
  return kind.length <= 3 ? kind.toUpperCase() : sentence(kind);
}
