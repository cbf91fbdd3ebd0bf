/** Who one is: by a token, at a provider, until the session ends. */
import { RealtimePage } from './realtime-page';
import { CUT, expect, test, type Page } from './test';
import { sticksOut } from './width';

const SHUT = /status of 401/;
const asked = (page: Page) => page.getByRole('heading', { name: 'Sign in to Taskscope' });

/** Who one is, and the way out. */
const menu = (page: Page) => page.getByRole('button', { name: /^Signed in as/ });

async function signIn(page: Page, token: string): Promise<void> {
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

test('a token opens the page, and whoever signs out, on a phone too, sees nothing more', async ({
  page,
  startWorld,
  problems,
}) => {
  problems.expect(SHUT, CUT);
  const world = await startWorld('--access', 'token');
  const live = new RealtimePage(page);
  await world.do('enqueue 3');
  await live.goto('', world.url);
  await asked(page).waitFor();
  expect(await live.rows.count()).toBe(0);
  await signIn(page, 'ts_000000000000_wrong');
  await expect(page.getByRole('alert')).toContainText('token');
  await signIn(page, world.token);
  await expect(live.rows).toHaveCount(3);
  expect(page.url()).not.toContain('ts_');
  for (const width of [320, 390]) {
    await page.setViewportSize({ width, height: 800 });
    expect(await sticksOut(page)).toEqual([]);
    await menu(page).click();
    await expect(page.getByRole('button', { name: 'Sign out' })).toBeInViewport({ ratio: 1 });
    await menu(page).click();
  }
  await menu(page).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await asked(page).waitFor();
  expect(await live.rows.count()).toBe(0);
});

test('a session that ends is asked for over the page, which stays until one leaves it', async ({
  page,
  startWorld,
  problems,
}) => {
  problems.expect(SHUT, CUT);
  const world = await startWorld('--access', 'token');
  const live = new RealtimePage(page);
  await world.do('enqueue 3');
  await live.goto('', world.url);
  await signIn(page, world.token);
  await live.rows.first().waitFor();
  await world.do('revoke');
  const ended = page.getByRole('dialog', { name: 'Your session has ended' });
  await ended.waitFor();
  expect(await live.rows.count()).toBe(3);
  await ended.getByRole('button', { name: 'Leave this page' }).click();
  await asked(page).waitFor();
  expect(await live.rows.count()).toBe(0);
});

test('at a provider one signs in, and comes back to the same view', async ({
  page,
  startWorld,
  problems,
}) => {
  problems.expect(SHUT, CUT, /elsewhere|policy|status of 404/); // the provider's own pages are not ours
  const world = await startWorld('--access', 'oidc', '--base-path', '/some/where');
  const live = new RealtimePage(page);
  await world.do('enqueue 3');
  await live.goto('?state=queued', world.url);
  await page.getByRole('link', { name: /company/ }).click();
  await page.getByRole('link', { name: /Cancel/ }).click();
  await expect(page.getByRole('alert')).toContainText('did not let you in');
  expect(page.url()).toBe(`${world.url}#realtime?state=queued`);
  await page.getByRole('link', { name: /company/ }).click();
  await page.getByPlaceholder('Enter any login').fill('ada+platform');
  await page.getByPlaceholder('and password').fill('x');
  await page.getByRole('button', { name: 'Sign-in' }).click();
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(live.rows).toHaveCount(3);
  expect(page.url()).toBe(`${world.url}#realtime?state=queued`);
});

test('what came to nothing at a provider is said on the page, in its own words alone', async ({
  page,
  startWorld,
  problems,
}) => {
  problems.expect(SHUT, CUT);
  const world = await startWorld('--access', 'oidc', '--base-path', '/some/where');
  const said = page.getByRole('alert');
  await page.goto(
    `${world.url}api/session/callback?error=access_denied&error_description=Owned&state=nobodys`,
  );
  await expect(said).toContainText('Signing in was not finished.');
  expect(page.url()).toBe(world.url);
  await page.reload();
  await asked(page).waitFor();
  await expect(said).toHaveCount(0);
  await page.goto(`${world.url}?sign-in=constructor#tasks`);
  await asked(page).waitFor();
  await expect(said).toHaveCount(0);
  expect(page.url()).toBe(`${world.url}#tasks`);
  await page.goto(`${world.url}?sign-in=no-grant#tasks`);
  await expect(said).toContainText('nothing was granted to you');
  for (const width of [320, 1440]) {
    await page.setViewportSize({ width, height: 800 });
    expect(await sticksOut(page)).toEqual([]);
  }
});
