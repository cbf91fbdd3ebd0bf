// What somebody in front of the page sees and does. TEST ONLY: the api is an imitation (tests/server).
import { chromium } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { serve } from '../server/server.mjs';

const PREFIX = '/some/where/';
let browser;
let server;
let page;
let problems;

beforeAll(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium' });
});
afterAll(() => browser?.close());
beforeEach(() => {
  problems = [];
});
afterEach(async () => {
  await page.close();
  await server.close();
  // A refused policy, a wrong address and an exception all end here.
  expect(problems).toEqual([]);
});

async function open({
  hash = '',
  viewport = { width: 1440, height: 900 },
  colorScheme = 'light',
  ...options
} = {}) {
  server = await serve({ prefix: PREFIX, ...options });
  page = await browser.newPage({ viewport, colorScheme });
  page.setDefaultTimeout(20_000);
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    // A refused socket or request is the browser's own line, and what the test asked for.
    if (
      message.type() === 'error' &&
      !/WebSocket connection|net::ERR_EMPTY_RESPONSE|status of 401/.test(message.text())
    )
      problems.push(message.text());
  });
  await page.goto(`${server.url}#realtime${hash}`);
}

const soon = (read) => expect.poll(read, { timeout: 20_000 });
const status = () => page.getByRole('status').textContent();
const rows = () => page.locator('#tasks [data-task]');
const keys = () => rows().evaluateAll((all) => all.map((row) => row.dataset.task));
const hash = () => new URL(page.url()).hash;

test('the page is live below a path, under a strict policy', async () => {
  await open();
  await soon(status).toBe('Live');
  await soon(() => rows().count()).toBeGreaterThan(50);
});

test('figures and rows change without a reload', async () => {
  await open();
  await soon(() => rows().count()).toBeGreaterThan(0);
  const before = await keys();
  await soon(keys).not.toEqual(before);
});

test('rows keep their place under the pointer, and the button brings the new ones', async () => {
  await open();
  await soon(() => rows().count()).toBeGreaterThan(50);
  await rows().nth(5).hover();
  const held = await keys();
  const fresh = page.getByRole('button', { name: /\d+ new/ });
  await fresh.waitFor();
  expect(await keys()).toEqual(held);
  await fresh.click();
  await soon(keys).not.toEqual(held);
});

test('a paused table stands still until it is resumed', async () => {
  await open();
  await soon(() => rows().count()).toBeGreaterThan(50);
  await page.getByRole('button', { name: 'Pause' }).click();
  const text = await rows().nth(3).locator('.state').textContent();
  const held = await keys();
  await page.getByRole('button', { name: /Paused · .*\d+ new/ }).waitFor();
  expect([await keys(), await rows().nth(3).locator('.state').textContent()]).toEqual([held, text]);
  await page.getByRole('button', { name: 'Resume' }).click();
  await soon(keys).not.toEqual(held);
});

test('filters are in the address, and the address is the filter', async () => {
  await open({ hash: '?kind=vod&state=failed' });
  await soon(() => rows().count()).toBeGreaterThan(0);
  const shown = await rows().allTextContents();
  expect(shown.every((text) => text.includes('Failed') && text.includes('VOD'))).toBe(true);
  await page.getByRole('button', { name: /^All/ }).click();
  await soon(hash).toBe('#realtime?state=failed');
  await page.goBack();
  await soon(hash).toBe('#realtime?kind=vod&state=failed');
});

test('a filter that nothing matches says so and can be cleared', async () => {
  await open({ hash: '?state=rejected' });
  await page.getByRole('button', { name: 'Clear the filters' }).click();
  await soon(() => rows().count()).toBeGreaterThan(50);
});

test('a row opens its details, Escape closes them', async () => {
  await open({ hash: '?state=failed' });
  await rows().first().click();
  const details = page.getByRole('dialog');
  await details.getByText('Traceback (most recent call last)').waitFor();
  expect(hash()).toContain('task=');
  await page.keyboard.press('Escape');
  await details.waitFor({ state: 'detached' });
  expect(hash()).toBe('#realtime?state=failed');
});

test('a link to a task opens it, and one that is forgotten is explained', async () => {
  await open({ mode: 'quiet', hash: '?task=archive/nothing' });
  await page.getByRole('dialog').getByText('This task is not known').waitFor();
  problems = problems.filter((text) => !text.includes('404'));
});

test('the keyboard goes through the rows', async () => {
  await open();
  await soon(() => rows().count()).toBeGreaterThan(50);
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  const [, second] = await keys();
  expect(await page.evaluate('document.activeElement.closest("[data-task]").dataset.task')).toBe(second);
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('/');
  await page.keyboard.type('send_digest');
  await soon(async () => (await rows().allTextContents()).every((text) => text.includes('send_digest'))).toBe(
    true,
  );
});

test('a connection that breaks is said, and comes back by itself', async () => {
  await open();
  await soon(status).toBe('Live');
  server.world.refuse = true;
  server.cut();
  await soon(status).toBe('Reconnecting');
  await page.getByText('The connection is interrupted.').waitFor();
  expect(await rows().count()).toBeGreaterThan(0);
  server.world.refuse = false;
  await soon(status).toBe('Live');
});

test('an api that never answers is said', async () => {
  await open();
  await soon(status).toBe('Live');
  server.world.refuse = true;
  await page.reload();
  await page.getByText('The api does not answer').waitFor();
  server.world.refuse = false;
  await page.getByRole('button', { name: 'Try now' }).click();
  await soon(status).toBe('Live');
});

test('figures that are not current are marked', async () => {
  await open();
  server.world.stale = true;
  await soon(status).toBe('Stale');
  await page.getByText('These figures are not current.').waitFor();
});

test('without sources the page tells how to add one', async () => {
  await open({ mode: 'empty' });
  await page.getByText('taskscope up --celery redis://').waitFor();
});

test('with sources but no task it listens', async () => {
  await open({ mode: 'quiet' });
  await page.getByText('Listening. No task has been seen yet.').waitFor();
});

test('a source that is down is named with its reason', async () => {
  await open({ mode: 'degraded' });
  await page.getByText('2 notices').click();
  await page.getByText('media is down.').waitFor();
  await page.getByText('Connection refused by redis://rq.internal:6379').first().waitFor();
});

test('a theme that was chosen is remembered', async () => {
  await open({ mode: 'quiet' });
  await page.getByRole('button', { name: 'View' }).click();
  await page.getByRole('button', { name: 'Dark' }).click();
  await page.reload();
  await soon(() => page.evaluate('document.documentElement.dataset.theme')).toBe('dark');
});

test.each([320, 390, 720, 1024, 1440])('nothing scrolls sideways at %d pixels', async (width) => {
  await open({ viewport: { width, height: 800 } });
  await soon(() => rows().count()).toBeGreaterThan(50);
  expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
});

test.each([320, 390])('who is signed in finds the way out at %d pixels', async (width) => {
  await open({ viewport: { width, height: 800 }, modes: ['token'] });
  server.world.signedIn = true;
  await page.reload();
  await soon(() => rows().count()).toBeGreaterThan(50);
  expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
  await page.getByRole('button', { name: 'Signed in as ada' }).click();
  const out = await page.getByRole('button', { name: 'Sign out' }).boundingBox();
  expect(out.x + out.width).toBeLessThanOrEqual(width);
});

test('who is not known signs in with a token, sees the page, and sees nothing after signing out', async () => {
  await open({ modes: ['token'] });
  await page.getByRole('heading', { name: 'Sign in to Taskscope' }).waitFor();
  expect(await rows().count()).toBe(0);
  await page.getByLabel('Token').fill('ts_wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await soon(() => page.getByRole('alert').textContent()).toContain('This token is not known');
  await page.getByLabel('Token').fill('ts_right');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await soon(() => rows().count()).toBeGreaterThan(0);
  expect(page.url()).not.toContain('ts_');
  await page.getByRole('button', { name: 'Signed in as ada' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in to Taskscope' }).waitFor();
  expect(await rows().count()).toBe(0);
});

test('a session that ends while the page is open loses nothing that was typed', async () => {
  await open({ modes: ['token'] });
  server.world.signedIn = true;
  await page.reload();
  await soon(() => rows().count()).toBeGreaterThan(0);
  const search = page.locator('[data-key="/"]');
  await search.fill('vid');
  server.world.signedIn = false;
  server.cut();
  const asked = page.getByRole('dialog', { name: 'Your session has ended' });
  await asked.waitFor();
  expect(await rows().count()).toBeGreaterThan(0);
  await page.getByLabel('Token').fill('ts_right');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await asked.waitFor({ state: 'detached' });
  await soon(status).toBe('Live');
  expect(await search.inputValue()).toBe('vid');
});

test('the palette finds a page by a few letters, and opens it', async () => {
  await open();
  await soon(status).toBe('Live');
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox').fill('wrk');
  await page.getByRole('option', { name: 'Workers', selected: true }).waitFor();
  await page.keyboard.press('Enter');
  await soon(hash).toBe('#workers');
  await page.goBack();
  await soon(hash).toBe('#realtime');
});

test('with a provider one is sent there, and comes back to the same view', async () => {
  await open({ modes: ['oidc'], hash: '?state=failed' });
  const link = page.getByRole('link', { name: /company/ });
  const to = new URL(await link.getAttribute('href'), page.url());
  expect(to.pathname).toBe(`${PREFIX}api/session/login`);
  expect(to.searchParams.get('next')).toBe(`${PREFIX}#realtime?state=failed`);
});
