/** A stretch that somebody chose in a chart, as analytics' address has it. */
import type { Patch } from '../../lib/location';

const MINUTE = 60;
const DAY = 86_400;
/** Minutes are kept for 6 hours, 5 minutes for 2 days, hours beyond. */
const STEPS = [
  { back: 6 * 3600, step: MINUTE },
  { back: 2 * DAY, step: 5 * MINUTE },
  { back: Infinity, step: 3600 },
];

/** `from` and `to` in epoch seconds; the stretch is widened to what is kept. */
export function stretchQuery(from: number, to: number, now = Date.now() / 1000): Patch {
  const step = STEPS.find(({ back }) => now - from < back)?.step ?? 3600;
  const [begin, end] = [Math.floor(from / step) * step, Math.ceil(to / step) * step];
  const until = new Date(end * 1000).toISOString().replace('.000Z', 'Z');
  return { window: `${Math.max(step, end - begin) / MINUTE}m`, until };
}
