/** Every page by its address: what holds on each is asked of each (every-page.spec.ts). */
import type { APIRequestContext, Page } from '@playwright/test';

export interface Route {
  name: string;
  hash: (api: APIRequestContext) => string | Promise<string>;
}

async function task(api: APIRequestContext): Promise<string> {
  const answer = await api.get('api/tasks?state=failed&limit=1');
  const { items } = (await answer.json()) as { items: { source: string; id: string }[] };
  const [found] = items;
  if (found === undefined) throw new Error('no task has failed yet');
  return `${found.source}/${encodeURIComponent(found.id)}`;
}

const at = (hash: string): Route => ({ name: hash, hash: () => hash });

export const ROUTES: Route[] = [
  at('#realtime'),
  { name: '#realtime with a task', hash: async (api) => `#realtime?task=${await task(api)}` },
];

/** Open a page, and wait until it shows what it is about. */
export async function open(page: Page, route: Route): Promise<void> {
  await page.goto(`./${await route.hash(page.request)}`);
  await page.locator('main').waitFor();
  await page.locator('[aria-busy="true"]').first().waitFor({ state: 'detached' });
}
