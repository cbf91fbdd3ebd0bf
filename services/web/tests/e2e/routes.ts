/** Every page by its address: what holds on each is asked of each (every-page.spec.ts). */
import type { APIRequestContext, Page } from '@playwright/test';

export interface Route {
  name: string;
  hash: (api: APIRequestContext) => string | Promise<string>;
}

/** @returns `source/name` of the first of a list, as an address holds it. */
async function first(api: APIRequestContext, path: string): Promise<string> {
  const answer = await api.get(`api/${path}`);
  const { items } = (await answer.json()) as { items: { key: string }[] };
  const [found] = items;
  if (found === undefined) throw new Error(`there is nothing in ${path}`);
  return found.key.split('/').map(encodeURIComponent).join('/');
}

const at = (hash: string): Route => ({ name: hash, hash: () => hash });
const about = (hash: string, path: string): Route => ({
  name: `${hash}…`,
  hash: async (api) => hash + (await first(api, path)),
});
const FAILED = 'tasks?state=failed&limit=1';

export const ROUTES: Route[] = [
  at('#overview'),
  at('#realtime'),
  about('#realtime?task=', FAILED),
  at('#tasks'),
  about('#tasks?task=', FAILED),
  about('#tasks/', FAILED),
  at('#workers'),
  about('#workers/', 'workers'),
  at('#queues'),
  about('#queues/', 'queues'),
  at('#analytics'),
  at('#sources'),
];

/** Open a page, and wait until it shows what it is about. */
export async function open(page: Page, route: Route): Promise<void> {
  await page.goto(`./${await route.hash(page.request)}`);
  await page.locator('main').waitFor();
  await page.locator('[aria-busy="true"]').first().waitFor({ state: 'detached' });
}
