/** Wait and runtime of a task, which go on while it waits or runs. */
import { epoch } from './format';
import type { Task } from './protocol';

export interface Span {
  seconds: number;
  /** It goes on. */
  open: boolean;
}

function since(at: number | null, now: number): Span | null {
  return at === null ? null : { seconds: Math.max(0, (now - at) / 1000), open: true };
}

/** How long it runs or ran; null if it did not begin, or that is unknown. */
export function runtime(task: Task, now: number): Span | null {
  if (task.state === 'running') return since(epoch(task.started_at), now);
  return task.runtime_seconds === null ? null : { seconds: task.runtime_seconds, open: false };
}

/** How long it waits or waited, from sending (or from its planned time on) to its start. */
export function wait(task: Task, now: number): Span | null {
  if (task.wait_seconds !== null) return { seconds: task.wait_seconds, open: false };
  if (task.state !== 'queued' && task.state !== 'reserved') return null;
  const [sent, eta] = [epoch(task.sent_at), epoch(task.eta_at)];
  if (sent === null || (eta !== null && eta > now)) return null;
  return since(Math.max(sent, eta ?? 0), now);
}
