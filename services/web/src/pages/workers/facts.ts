/** What is known of a worker, as labelled values. */
import { worker as words } from '$strings/worker';
import type { Fact } from '../../components/value';
import { ago, duration, epoch } from '../../lib/format';
import type { Monitor } from '../../lib/monitor';
import type { Worker } from '../../lib/protocol';
import { sentence, whyUnknown } from '../../lib/reasons';

const FIELDS = [
  ...(['source', 'version', 'hostname', 'pid', 'pool', 'concurrency', 'prefetch', 'events'] as const),
  ...(['heartbeat_at', 'started_at', 'clock_skew_seconds', 'detail'] as const),
] as const;

export function factsOf(worker: Worker, { clock, zone }: Monitor): Fact[] {
  const { events, events_enabled_by_us: byUs, clock_skew_seconds: skew, detail } = worker;
  const when = (text: string | null): string | null => {
    const at = epoch(text);
    return at === null ? null : `${zone.when(at, clock.now)} (${ago(at, clock.now)})`;
  };
  const said: Partial<Record<keyof Worker, string | null>> = {
    events: events === null ? null : events ? (byUs ? words.eventsByUs : words.yes) : words.no,
    heartbeat_at: when(worker.heartbeat_at),
    started_at: when(worker.started_at),
    clock_skew_seconds: skew === null ? null : words.skew(duration(Math.abs(skew)), skew > 0),
    detail: detail === null ? null : sentence(detail),
  };
  // What it says of itself may be nothing: then there is nothing to be known.
  return FIELDS.filter((field) => field !== 'detail' || detail !== null).map((field) => ({
    label: words.fields[field],
    value: said[field] ?? worker[field]?.toString() ?? null,
    why: whyUnknown(worker.unknown, field),
  }));
}
