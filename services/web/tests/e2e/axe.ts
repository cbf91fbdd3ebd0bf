/** axe-core in the page: injected by the debugger's protocol, so that the page's policy does not have to allow it. */
import axe from 'axe-core';
import type { Page } from '@playwright/test';

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** What another theme may break: all else is the same in both. */
export const COLOURS = ['color-contrast', 'link-in-text-block'];

/** @returns what is wrong with `rules` (all), a line each: rule, what it means, where. */
export async function violations(page: Page, rules: string[] = []): Promise<string[]> {
  if (!(await page.evaluate('"axe" in globalThis'))) await page.evaluate(axe.source);
  return (await page.evaluate(run, rules.length > 0 ? rules : TAGS)).map(described);
}

/** In the page. */
async function run(asked: string[]): Promise<axe.Result[]> {
  const { axe: injected } = globalThis as unknown as { axe: typeof axe };
  const context = {
    // What is behind a modal dialog cannot be reached, and axe takes its background for white.
    include: [document.querySelector('dialog:modal') ?? document.documentElement],
    // One row of a long table is made as the other: axe would look at each for seconds.
    exclude: ['tbody tr:nth-child(n + 13)'],
  };
  const options: axe.RunOptions = {
    runOnly: asked,
    resultTypes: ['violations'],
    // Addresses are hashes here: axe takes links to other pages for ones within this page.
    rules: { 'skip-link': { enabled: false } },
  };
  return (await injected.run(context as axe.ElementContext, options)).violations;
}

function described({ id, help, nodes }: axe.Result): string {
  const where = nodes.slice(0, 5).map((node) => `${node.target.join(' ')} ${node.any[0]?.message ?? ''}`);
  return `${id}: ${help} (${String(nodes.length)})\n    ${where.join('\n    ')}`;
}
