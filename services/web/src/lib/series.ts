/** Short histories since the page was opened, for sparklines. */

export interface Sample {
  at: number;
  value: number;
}

export const SPAN_MS = 5 * 60_000;
const STEP_MS = 2_000;
const MOST_NAMES = 500;

export class Series {
  readonly #samples = new Map<string, Sample[]>();

  /** One sample each 2 s; within a step the newest value wins. */
  add(name: string, value: number, at: number): void {
    const held = this.#samples.get(name);
    if (held === undefined) {
      if (this.#samples.size < MOST_NAMES) this.#samples.set(name, [{ at, value }]);
      return;
    }
    const last = held.at(-1);
    if (last !== undefined && Math.floor(last.at / STEP_MS) === Math.floor(at / STEP_MS)) last.value = value;
    else held.push({ at, value });
    const begin = held.findIndex((sample) => sample.at >= at - SPAN_MS);
    if (begin > 0) held.splice(0, begin);
  }

  /** The samples up to `now` (which also says when to read anew). */
  at(name: string, now: number): Sample[] {
    return (this.#samples.get(name) ?? []).filter((sample) => sample.at <= now);
  }
}

/** The points of a polyline in a box; a step line, since a count holds until it changes. */
export function polyline(samples: Sample[], now: number, width: number, height: number): string {
  const first = samples[0];
  if (first === undefined) return '';
  const begin = Math.max(now - SPAN_MS, first.at);
  const span = Math.max(20_000, now - begin);
  const top = Math.max(1, ...samples.map((sample) => sample.value));
  const x = (at: number): number => round(width - ((now - at) / span) * width);
  const y = (value: number): number => round(height - 1 - (value / top) * (height - 2));
  const points: string[] = [];
  let before = first.value;
  for (const { at, value } of samples) {
    if (value !== before) points.push(`${x(at)},${y(before)}`);
    points.push(`${x(at)},${y(value)}`);
    before = value;
  }
  points.push(`${round(width)},${y(before)}`);
  return points.join(' ');
}

const round = (value: number): number => Math.round(value * 10) / 10;
