/** uPlot's options, in the colours of the theme. */
import type uPlot from 'uplot';
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

interface Wanted {
  series: readonly ChartSeries[];
  width: number;
  height: number;
  format: (value: number) => string;
  zone: ZoneState;
  /** uPlot's own: the moment as a date whose local parts are those of a zone. */
  tzDate: (date: Date, zone: string) => Date;
  /** Seconds from one time to the next: the last one has as much room as the others. */
  step: number | undefined;
  /** Lowest and highest value of the axis; without it from 0 to the largest. */
  range: readonly [number, number] | undefined;
  sync: string | undefined;
  chosen: ((from: number, to: number) => void) | undefined;
  /** The index under the pointer. */
  moved: (index: number | null) => void;
}

export function optionsOf(wanted: Wanted): uPlot.Options {
  const { series, width, height, sync, chosen, moved, zone, step = 0, range, tzDate } = wanted;
  return {
    width,
    height,
    padding: [6, 20, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      points: { size: 6 },
      drag: { x: chosen !== undefined, y: false, setScale: false },
      ...(sync === undefined ? {} : { sync: { key: sync, setSeries: false } }),
    },
    tzDate: (seconds) => tzDate(new Date(seconds * 1000), zone.name),
    scales: {
      x: { time: true, range: (_plot, low, high) => [low, high + step] },
      y: {
        range: (_plot, _low, high) =>
          range === undefined ? [0, high > 0 ? high * 1.08 : 1] : [range[0], range[1]],
      },
    },
    axes: axesOf(wanted),
    series: [{}, ...series.map(seriesOf)],
    hooks: {
      setCursor: [
        (plot) => {
          moved(plot.cursor.idx ?? null);
        },
      ],
      setSelect: [
        (plot) => {
          const { left, width: wide } = plot.select;
          if (chosen === undefined || wide < 4) return;
          chosen(plot.posToVal(left, 'x'), plot.posToVal(left + wide, 'x'));
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
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
  const isBar = (at: number): boolean => series[at]?.look === 'bars' && series[at].dashed !== true;
  return [...places.filter(isBar).reverse(), ...places.filter((at) => !isBar(at))];
}

function axesOf({ format, zone }: Wanted): uPlot.Axis[] {
  const font = `11px ${token('--font')}`;
  const shared = { font, stroke: token('--text-3'), ticks: { show: false } };
  const grid = { stroke: token('--line'), width: 1 };
  return [
    {
      ...shared,
      grid: { show: false },
      size: 24,
      gap: 4,
      values: (_plot, splits) => splits.map((at) => label(at, splits, zone)),
    },
    { ...shared, grid, size: 52, gap: 6, space: 36, values: (_plot, splits) => splits.map(format) },
  ];
}

/** The day where the hour is none, else the time. */
function label(at: number, splits: number[], zone: ZoneState): string {
  const time = zone.clock(at * 1000);
  const close = (splits[1] ?? 0) - (splits[0] ?? 0) < 60;
  return time === '00:00:00' ? zone.shortDay(at * 1000) : close ? time : time.slice(0, 5);
}

function seriesOf({ label, tone, look = 'line', dashed = false }: ChartSeries): uPlot.Series {
  const stroke = token(`--${tone}`);
  const filled = look === 'area' && !dashed;
  return {
    label,
    stroke,
    width: dashed ? 1 : 1.5,
    points: { show: false, size: 4, fill: stroke, filter: look === 'bars' && !dashed ? () => null : alone },
    spanGaps: false,
    ...(dashed ? { dash: [3, 3] } : {}),
    ...(filled ? { fill: faint(stroke) } : {}),
    ...(look === 'bars' ? { fill: stroke, width: 0, paths: bars } : {}),
  };
}

/** A value without neighbours is no line: it is drawn as a point. */
const alone: uPlot.Series.Points.Filter = (plot, index) => {
  const values = plot.data[index] ?? [];
  const known = (at: number): boolean => values[at] !== null && values[at] !== undefined;
  return [...values.keys()].filter((at) => known(at) && !known(at - 1) && !known(at + 1));
};

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

/** Each bucket a bar from its start to the next. */
const bars: uPlot.Series.PathBuilder = (plot, index, from, to) => {
  const times = plot.data[0];
  const values = plot.data[index] ?? [];
  const fill = new Path2D();
  const zero = plot.valToPos(0, 'y', true);
  const [first = 0, second = first + 1] = times;
  const step = plot.valToPos(second, 'x', true) - plot.valToPos(first, 'x', true);
  const gap = step >= 4 ? 1 : 0;
  for (let at = from; at <= to; at += 1) {
    const value = values[at];
    if (value === null || value === undefined || value === 0) continue;
    const top = plot.valToPos(value, 'y', true);
    const left = plot.valToPos(times[at] ?? 0, 'x', true);
    const [begin, end] = [Math.round(left), Math.round(left + step)]; // whole pixels: no seams, no false colours
    fill.rect(begin, top, Math.max(1, end - begin - gap), zero - top);
  }
  return { stroke: null, fill };
};

const faint = (colour: string): string => `color-mix(in oklab, ${colour} 16%, transparent)`;

/** A canvas knows no `light-dark()` and no variables: the browser computes the colour. */
function token(name: string): string {
  const probe = document.createElement('span');
  probe.style.color = `var(${name})`;
  probe.style.fontFamily = `var(${name})`;
  document.body.append(probe);
  const { color, fontFamily } = getComputedStyle(probe);
  probe.remove();
  return name === '--font' ? fontFamily : color;
}
