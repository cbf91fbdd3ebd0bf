import { execFileSync } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { PAGES } from '../../src/lib/location';

const SIZES = fileURLToPath(new URL('../sizes.mjs', import.meta.url));
/** What people open first. */
const FIRST_VIEW = { overview: 60_000, realtime: 60_000 };
/** Any other page, opened by its address. */
const ANY_VIEW = 75_000;
/** Held where it is: 120 KB are to be reached (docs/benchmarks.md). */
const ALL = 202_000;

interface Sizes {
  views: Record<string, number>;
  all: number;
  late: Record<string, string[]>;
}

/** Of what is built now, not of what was built last. In a process of its own: vitest's environment is not production's. */
function sizes(): Sizes {
  const env = { ...process.env, NODE_ENV: 'production' };
  return JSON.parse(execFileSync('node', [SIZES, ...PAGES], { env, encoding: 'utf8' })) as Sizes;
}

test('JavaScript, gzipped, is within its budget: a first view of each page, and the whole; no file of it is asked for late', () => {
  const { views, all, late } = sizes();
  const most: Record<string, number> = FIRST_VIEW;
  for (const page of PAGES) expect(views[page], page).toBeLessThanOrEqual(most[page] ?? ANY_VIEW);
  for (const page of PAGES) expect(late[page], page).toEqual([]);
  expect(all).toBeLessThanOrEqual(ALL);
}, 180_000); // it builds the page
