/** How often an open task is asked for anew. */
import { epoch } from './format';
import type { Relative, TaskDetail } from './protocol';
import { STATES } from './states';

const LIVE_SECONDS = 2;
const RELATIVES_SECONDS = 5;
/** Results and traces come a moment after the end. */
const SETTLED_MS = 8_000;
/** Of what is not there: it may come. */
export const ABSENT_SECONDS = 5;

/** Seconds; null: it is over, and so is all around it. `now`: epoch ms on the server's clock. */
export function pace(task: TaskDetail, now: number): number | null {
  if (task.group !== 'finished') return LIVE_SECONDS;
  const ended = epoch(task.finished_at) ?? epoch(task.updated_at);
  if (ended !== null && now - ended < SETTLED_MS) return LIVE_SECONDS;
  const { ancestors, children, group, chord_body } = task.relatives;
  return [...ancestors, ...children, ...group, ...(chord_body === null ? [] : [chord_body])].some(goesOn)
    ? RELATIVES_SECONDS
    : null;
}

function goesOn({ state }: Relative): boolean {
  return state !== null && STATES[state].group !== 'finished';
}
