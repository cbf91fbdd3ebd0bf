/** What one may not see is nowhere, and what one typed stays one's own. */
import type { World } from './world';
import { CUT, expect, test, type Page } from './test';

const SHUT = /status of 40[14]/;
/** In names of the other source: its own, and that of its queue. */
const OTHER = /studio|unseen/i;

async function signIn(page: Page, world: World, token: string, hash: string): Promise<void> {
  await page.goto(`${world.url}${hash}`);
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('button', { name: /^Signed in as/ }).waitFor();
}

test('who may see one source finds no trace of the other on any page', async ({
  page,
  startWorld,
  problems,
}) => {
  problems.expect(SHUT, CUT);
  const world = await startWorld('--access', 'token', '--studio');
  await world.do('work');
  await world.do('enqueue 3');
  await world.do('hide 4');
  await signIn(page, world, world.token, '#queues');
  await expect(page.getByRole('main')).toContainText('unseen'); // it is there for others
  await page.context().clearCookies();
  await page.goto('about:blank');

  const answers: string[] = [];
  page.on('response', (response) => {
    if (!response.url().includes('/api/')) return;
    response.text().then(
      (text) => answers.push(`${response.url()} ${text}`),
      () => undefined, // it was left before it had come
    );
  });
  page.on('websocket', (socket) =>
    socket.on('framereceived', ({ payload }) => answers.push(`${socket.url()} ${String(payload)}`)),
  );
  await signIn(page, world, world.narrow, '#realtime');
  const pages = ['overview', 'realtime', 'tasks', 'workers', 'queues', 'analytics', 'sources'];
  for (const name of pages)
    await test.step(name, async () => {
      await page.goto(`${world.url}#${name}`);
      await page.getByRole('main').getByRole('heading', { level: 1 }).waitFor();
      await page.locator('[aria-busy="true"]').first().waitFor({ state: 'detached' });
      await expect(page.locator('body')).not.toContainText(OTHER);
    });
  await test.step('the palette, and the address of the other', async () => {
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: 'Search or jump to' }).fill('e');
    await page.getByRole('option').first().waitFor();
    for (const option of await page.getByRole('option').allTextContents()) expect(option).not.toMatch(OTHER);
    await page.keyboard.press('Escape');
    await page.goto(`${world.url}#queues/studio/unseen`);
    await page
      .getByRole('main')
      .getByText(/not known/)
      .first()
      .waitFor();
    await expect(page.getByRole('main').getByText(/^4$/)).toHaveCount(0);
  });
  // What the page asked for by name is echoed; nothing else knows of the other.
  const told = answers.filter(
    (text) => /studio|"unseen"/.test(text) && !/queues?\/studio|status": ?40/.test(text),
  );
  expect(told).toEqual([]);
});

test('a session that ends leaves what was typed, for the same person', async ({
  page,
  startWorld,
  problems,
}) => {
  problems.expect(SHUT, CUT);
  const world = await startWorld('--access', 'token');
  await world.do('enqueue 3');
  await signIn(page, world, world.token, '#tasks');
  const search = page.getByRole('combobox', { name: 'Search tasks' });
  await search.fill('state:queued wor');
  await world.do('revoke');
  const ended = page.getByRole('dialog', { name: 'Your session has ended' });
  await ended.waitFor();
  await expect(search).toHaveValue('state:queued wor');
  await world.do('grant');
  await ended.getByLabel('Token').fill(world.token);
  // The api reads the tokens anew from time to time.
  await expect(async () => {
    await ended.getByRole('button', { name: 'Sign in' }).click({ timeout: 1000 });
    await expect(ended).toBeHidden({ timeout: 3000 });
  }).toPass({ timeout: 30_000 });
  await expect(search).toHaveValue('state:queued wor');
  await expect(page.locator('main [data-task]').first()).toBeVisible();
});
