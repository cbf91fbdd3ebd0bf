// Whether what is written in a colour can be read on what it is written on, in both themes: WCAG 2.2, 1.4.3 and 1.4.11.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

const css = readFileSync(new URL('../../src/styles/tokens.css', import.meta.url), 'utf8');
const declared = new Map(
  [...css.matchAll(/--([\w-]+):\s*([^;]+);/g)].map(([, name = '', value = '']) => [name, value]),
);

type Theme = 0 | 1;
const NUMBER = String.raw`([\d.]+)`;

/** Relative luminance of a token in a theme. */
function luminance(name: string, theme: Theme): number {
  const value = declared.get(name) ?? '';
  const other = /^var\(--([\w-]+)\)$/.exec(value)?.[1];
  if (other !== undefined) return luminance(other, theme);
  const colors = [...value.matchAll(new RegExp(String.raw`oklch\(${NUMBER} ${NUMBER} ${NUMBER}\)`, 'g'))];
  const color = colors[theme] ?? colors[0];
  if (color === undefined) throw new Error(`--${name} is no colour of the two themes: ${value}`);
  return luminanceOf(Number(color[1]), Number(color[2]), Number(color[3]));
}

/** Björn Ottosson's matrices, from OKLCH to linear sRGB. */
function luminanceOf(lightness: number, chroma: number, hue: number): number {
  const [a, b] = [chroma * Math.cos((hue * Math.PI) / 180), chroma * Math.sin((hue * Math.PI) / 180)];
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const clip = (value: number): number => Math.min(1, Math.max(0, value));
  const red = clip(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s);
  const green = clip(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s);
  const blue = clip(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(front: string, back: string, theme: Theme): number {
  const [a, b] = [luminance(front, theme), luminance(back, theme)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

const GROUNDS = ['ground', 'panel', 'raised', 'accent-soft'];
const TEXTS = ['text', 'text-2', 'text-3', 'accent', 'good', 'warn', 'bad'];
const STATES = [
  ...['running', 'reserved', 'queued', 'scheduled', 'deferred', 'retrying'],
  ...['succeeded', 'failed', 'revoked', 'rejected', 'lost'],
];
const written = [
  ...[...TEXTS, ...STATES].flatMap((front) => GROUNDS.map((back) => [front, back] as const)),
  ['celery', 'celery-soft'] as const,
  ['rq', 'rq-soft'] as const,
  ['panel', 'warn'] as const, // marks of the navigation
  ['panel', 'bad'] as const,
];
const drawn = ['focus', ...Array.from({ length: 8 }, (_, at) => `series-${at + 1}`)].flatMap((front) =>
  ['ground', 'panel'].map((back) => [front, back] as const),
);

describe.each([
  ['light', 0],
  ['dark', 1],
] as const)('%s', (_, theme) => {
  test.each(written)('%s can be read on %s', (front, back) => {
    expect(contrast(front, back, theme)).toBeGreaterThanOrEqual(4.5);
  });

  test.each(drawn)('%s can be seen on %s', (front, back) => {
    expect(contrast(front, back, theme)).toBeGreaterThanOrEqual(3);
  });
});
