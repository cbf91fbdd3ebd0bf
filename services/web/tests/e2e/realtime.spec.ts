/** What somebody in front of the live table sees and does. */
import { RealtimePage } from './realtime-page';
import { shifted, watchShifts } from './shifts';
import { CUT, expect, test } from './test';
import { sticksOut } from './width';

test('it is live below a path, and changes without a reload', async ({ page, relay }) => {
  const live = new RealtimePage(page);
  await live.open('', relay.url);
  await expect(live.status).toHaveText('Live');
  const before = await live.keys();
  await expect.poll(() => live.keys()).not.toEqual(before);
});

test('running tasks move: a progress bar grows', async ({ page }) => {
  const live = new RealtimePage(page);
  await live.open('?state=running');
  const before = await live.progress();
  await expect
    .poll(async () => {
      const now = await live.progress();
      return [...before].some(([key, percent]) => (now.get(key) ?? 0) > percent);
    })
    .toBe(true);
});

for (const width of [1440, 390])
  test(`nothing is pushed away when rows come, ${String(width)} pixels wide`, async ({ page }) => {
    await page.setViewportSize({ width, height: 900 });
    await watchShifts(page);
    const live = new RealtimePage(page);
    await live.open();
    const first = await live.keys();
    await expect.poll(async () => (await live.keys()).indexOf(first[0] ?? null)).not.toBe(0);
    await page.locator('aside li').first().waitFor();
    expect(await shifted(page)).toBeLessThan(0.01);
  });

test('rows keep their place under the pointer, and the button brings the new ones', async ({ page }) => {
  const live = new RealtimePage(page);
  await live.open();
  await live.rows.nth(5).hover();
  const held = await live.keys();
  await live.fresh.waitFor();
  expect(await live.keys()).toEqual(held);
  await live.fresh.click();
  await expect.poll(() => live.keys()).not.toEqual(held);
});

test('a paused table stands still until it is resumed', async ({ page }) => {
  const live = new RealtimePage(page);
  await live.open();
  await page.getByRole('button', { name: 'Pause' }).click();
  const [held, texts] = [await live.keys(), await live.states()];
  await page.getByRole('button', { name: /Paused · .*\d+ new/ }).waitFor();
  expect([await live.keys(), await live.states()]).toEqual([held, texts]);
  await page.getByRole('button', { name: 'Resume' }).click();
  await expect.poll(() => live.keys()).not.toEqual(held);
});

test('filters are in the address, and the address is the filter', async ({ page }) => {
  const live = new RealtimePage(page);
  await live.open('?kind=vod&state=succeeded');
  for (const text of await live.rows.allTextContents()) expect(text).toMatch(/Succeeded.*VOD/s);
  await page.getByRole('button', { name: /^All/ }).click();
  await expect(page).toHaveURL(/#realtime\?state=succeeded$/);
  await page.goBack();
  await expect(page).toHaveURL(/#realtime\?kind=vod&state=succeeded$/);
});

test('a filter that nothing matches says so and can be cleared', async ({ page }) => {
  const live = new RealtimePage(page);
  await live.goto('?state=rejected');
  await page.getByRole('button', { name: 'Clear the filters' }).click();
  await live.rows.first().waitFor();
});

test('a row opens its details, Escape closes them', async ({ page }) => {
  const live = new RealtimePage(page);
  await live.open('?state=failed');
  await live.rows.first().click();
  await live.details.getByText('raised here').first().waitFor();
  await expect(page).toHaveURL(/[?&]task=/);
  await page.keyboard.press('Escape');
  await live.details.waitFor({ state: 'detached' });
  await expect(page).toHaveURL(/#realtime\?state=failed$/);
});

test('a link to a task that is forgotten is explained', async ({ page, problems }) => {
  problems.expect(/status of 404/);
  const live = new RealtimePage(page);
  await live.goto('?task=celery/nothing');
  await live.details.getByText('This task is not known').waitFor();
});

test('the keyboard goes through the rows, opens one, and searches in them', async ({ page }) => {
  const live = new RealtimePage(page);
  await live.open();
  const focused = (): Promise<string> =>
    page.evaluate('document.activeElement.closest("[data-task]").dataset.task');
  await page.keyboard.press('j');
  const first = await focused(); // others may have come above it before it was held
  await page.keyboard.press('j');
  const keys = await live.keys();
  expect(await focused()).toBe(keys[keys.indexOf(first) + 1]);
  await page.keyboard.press('Enter');
  await live.details.waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('/');
  await page.keyboard.type('transcri');
  await expect
    .poll(async () => (await live.rows.allTextContents()).every((text) => text.includes('transcri')))
    .toBe(true);
});

test('a connection that breaks is said, and comes back by itself', async ({ page, relay, problems }) => {
  problems.expect(CUT);
  const live = new RealtimePage(page);
  await live.open('', relay.url);
  relay.cut();
  await expect(live.status).toHaveText('Reconnecting');
  await page.getByText('The connection is interrupted.').waitFor();
  expect(await live.rows.count()).toBeGreaterThan(0);
  relay.mend();
  await expect(live.status).toHaveText('Live');
});

test('an api that does not answer is said, and asked again', async ({ page, relay, problems }) => {
  problems.expect(CUT);
  relay.cut('api/');
  const live = new RealtimePage(page);
  await live.goto('', relay.url);
  await page.getByText('The api does not answer').waitFor();
  await page.getByText(/tries again in (?:[4-9]|1\d) s/).waitFor({ timeout: 30_000 }); // long enough to be asked before
  relay.mend();
  await page.getByRole('button', { name: 'Try now' }).click();
  await expect(live.status).toHaveText('Live');
});

test('a theme that was chosen is remembered', async ({ page }) => {
  const live = new RealtimePage(page);
  await live.open();
  await page.getByRole('button', { name: 'View' }).click();
  await page.getByRole('button', { name: 'Dark' }).click();
  await page.reload();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
});

test('nothing scrolls sideways, however narrow', async ({ page }) => {
  const live = new RealtimePage(page);
  await live.open();
  for (const width of [320, 390, 720, 1024, 1440, 3840]) {
    await page.setViewportSize({ width, height: 800 });
    expect(await sticksOut(page), `at ${String(width)} pixels`).toEqual([]);
  }
});
