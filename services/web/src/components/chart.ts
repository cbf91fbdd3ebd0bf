/** What a chart draws, reckoned from its values: places, paths and ticks. */
import type { ZoneState } from '../lib/zone.svelte';

export interface ChartSeries {
  label: string;
  values: readonly (number | null)[];
  /** The name of a colour token: `series-1`, `failed`, ... */
  tone: string;
  look?: 'line' | 'area' | 'bars';
  /** What it is compared with: thinner and dashed. */
  dashed?: boolean;
  /** What the legend says while nothing is pointed at, as the figure of the whole window; without it the last value. */
  summary?: string | undefined;
}

type Values = readonly (number | null)[];

/** Room for the labels of both axes. */
const LEFT = 52;
const RIGHT = 20;
const TOP = 6;
const BOTTOM = 24;

export interface Frame {
  width: number;
  height: number;
  /** Seconds from one time to the next: the last one has as much room as the others. */
  step: number;
  /** Lowest and highest value of the axis; without it from 0 to the largest. */
  range: readonly [number, number] | undefined;
}

export interface Scale {
  from: number;
  to: number;
  low: number;
  high: number;
  /** Edges in pixels. */
  left: number;
  right: number;
  top: number;
  bottom: number;
  x: (time: number) => number;
  y: (value: number) => number;
  /** The time at a place. */
  time: (x: number) => number;
}

export function scaleOf(times: readonly number[], heights: readonly Values[], frame: Frame): Scale {
  const [from = 0] = times;
  const to = (times.at(-1) ?? from) + frame.step;
  const most = Math.max(0, ...heights.flat().map((value) => value ?? 0));
  const [low, high] = frame.range ?? [0, most > 0 ? most * 1.08 : 1];
  const [right, bottom] = [Math.max(LEFT + 1, frame.width - RIGHT), frame.height - BOTTOM];
  const [second, unit] = [(right - LEFT) / (to - from || 1), (bottom - TOP) / (high - low || 1)];
  return {
    ...{ from, to, low, high, left: LEFT, right, top: TOP, bottom },
    x: (time) => LEFT + (time - from) * second,
    y: (value) => bottom - (value - low) * unit,
    time: (x) => from + (Math.min(right, Math.max(LEFT, x)) - LEFT) / second,
  };
}

/** What is drawn of each series: bars stand on those before them, so the last ones are the highest. */
export function stacked(series: readonly ChartSeries[]): (number | null)[][] {
  let below: readonly number[] = [];
  return series.map(({ values, look, dashed }) => {
    if (look !== 'bars' || dashed === true) return [...values];
    below = values.map((value, at) => (value ?? 0) + (below[at] ?? 0));
    return values.map((value, at) => (value === null ? null : (below[at] ?? null)));
  });
}

/** The order in which series are drawn: high bars first, so that those below them are drawn over them; lines over all. */
export function painted(series: readonly ChartSeries[]): number[] {
  const places = series.map((_, at) => at);
  const bar = (at: number): boolean => series[at] !== undefined && isBar(series[at]);
  return [...places.filter(bar).reverse(), ...places.filter((at) => !bar(at))];
}

export const isBar = ({ look, dashed }: ChartSeries): boolean => look === 'bars' && dashed !== true;

const at = (x: number, y: number): string => `${x.toFixed(1)} ${y.toFixed(1)}`;

/** A line with gaps where nothing is known; what is below it; and values without neighbours, which are no line. */
export function pathsOf(
  times: readonly number[],
  values: Values,
  { x, y, low }: Scale,
): Record<'line' | 'area' | 'dots', string> {
  const paths = { line: '', area: '', dots: '' };
  const known = (index: number): boolean => values[index] != null;
  for (const [index, value] of values.entries()) {
    const time = times[index];
    if (value === null || time === undefined) continue;
    const [place, ground] = [at(x(time), y(value)), at(x(time), y(low))];
    const [begins, ends] = [!known(index - 1), !known(index + 1)];
    paths.line += (begins ? 'M' : 'L') + place;
    paths.area += `${begins ? `M${ground}` : ''}L${place}${ends ? `L${ground}z` : ''}`;
    if (begins && ends) paths.dots += `M${place}h0`;
  }
  return paths;
}

/** Each bucket a bar from its start to the next, in whole pixels: no seams, no false colours. */
export function barsOf(times: readonly number[], values: Values, { x, y, right }: Scale): string {
  const [first = 0, second = first + 1] = times;
  const wide = x(second) - x(first);
  const gap = wide >= 4 ? 1 : 0;
  return times
    .map((time, index) => {
      const value = values[index];
      const [begin, end] = [Math.round(x(time)), Math.round(Math.min(right, x(time) + wide))];
      return value
        ? `M${begin} ${y(0)}V${y(value).toFixed(1)}H${Math.max(begin + 1, end - gap)}V${y(0)}z`
        : '';
    })
    .join('');
}

/** Round values of an axis, at least 36 pixels from each other. */
export function ticksOf({ low, high, top, bottom }: Scale): number[] {
  const least = (high - low) / Math.max(1, Math.floor((bottom - top) / 36));
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= least) ?? least;
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}

const MINUTES = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 5760, 10_080];

/** Round moments of the zone, with room for their labels; the day where the hour is none. */
export function momentsOf(
  { from, to, left, right }: Scale,
  zone: ZoneState,
): { time: number; text: string }[] {
  const least = (to - from) / Math.max(1, Math.floor((right - left) / 60)) / 60;
  const step = (MINUTES.find((each) => each >= least) ?? 10_080) * 60;
  const midnight = zone.midnight(from * 1000) / 1000;
  const first = midnight + Math.ceil((from - midnight) / step) * step;
  return Array.from({ length: Math.max(0, Math.floor((to - first) / step) + 1) }, (_, index) => {
    const time = first + index * step;
    const clock = zone.clock(time * 1000).slice(0, 5);
    return { time, text: clock === '00:00' || step >= 86_400 ? zone.shortDay(time * 1000) : clock };
  });
}

/** The place of the time that is nearest; null: there is none. */
export function nearest(times: readonly number[], time: number): number | null {
  const far = times.map((each) => Math.abs(each - time));
  return far.length === 0 ? null : far.indexOf(Math.min(...far));
}

/**
 * Where drawing begins: shortly before the first value, when most of the window is empty before it. A window that has just begun to
 * fill is no spike at the edge.
 */
export function beginOf(series: readonly ChartSeries[], length: number): number {
  const least = Math.max(12, Math.ceil(length / 6));
  const first = Math.min(length, ...series.map(({ values }) => firstOf(values)));
  return first < length / 2 || first === length ? 0 : Math.max(0, Math.min(first - 1, length - least));
}

function firstOf(values: readonly (number | null)[]): number {
  const at = values.findIndex((value) => value !== null && value !== 0);
  return at === -1 ? Infinity : at;
}
