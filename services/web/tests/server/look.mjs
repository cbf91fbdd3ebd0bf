// TEST ONLY. Pictures of the page in its states: node tests/server/look.mjs [name part] → tests/output/*.png
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { serve } from './server.mjs';

const OUTPUT = fileURLToPath(new URL('../output/', import.meta.url));
const wanted = process.argv[2] ?? '';
await mkdir(OUTPUT, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium' });

const DESKTOP = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };

/** @param act what to do before the picture. */
async function look(name, { mode = 'busy', theme = 'dark', size = DESKTOP, hash = '', full = false }, act) {
  if (!name.includes(wanted)) return;
  const server = await serve({ mode, prefix: '/some/where/' });
  const page = await browser.newPage({ viewport: size, colorScheme: theme, hasTouch: size === PHONE });
  const problems = [];
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  page.on('pageerror', (error) => problems.push(String(error)));
  try {
    await page.goto(`${server.url}#realtime${hash}`);
    await page.waitForTimeout(2500);
    await act?.(page, server);
    await page.screenshot({ path: `${OUTPUT}${name}.png`, fullPage: full });
    const wide = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
    console.log(name, wide > 0 ? `SCROLLS SIDEWAYS by ${wide}` : '', problems.slice(0, 3));
  } finally {
    await page.close();
    await server.close();
  }
}

const first = (page) => page.locator('#tasks [data-task]').first();
const failed = (page) => page.locator('#tasks [data-task]').filter({ hasText: 'Failed' }).first();
await look('busy-dark', {});
await look('busy-light', { theme: 'light' });
await look('phone-dark', { size: PHONE });
await look('phone-light', { size: PHONE, theme: 'light' });
await look('phone-side', { size: PHONE, hash: '?view=infrastructure', full: true });
await look('phone-drawer', { size: PHONE, theme: 'light' }, async (page) => {
  await first(page).tap();
  await page.waitForTimeout(800);
});
await look('drawer-dark', {}, async (page) => {
  await first(page).click();
  await page.waitForTimeout(800);
});
await look('drawer-failed', { theme: 'light', hash: '?state=failed' }, async (page) => {
  await failed(page).click();
  await page.waitForTimeout(800);
});
await look('hold', {}, async (page) => {
  await page.mouse.move(500, 600);
  await page.waitForTimeout(4000);
});
await look('filtered', { theme: 'light', hash: '?kind=vod&state=running,failed&sort=-runtime_seconds' });
await look('zoom', { size: { width: 720, height: 450 } });
await look('tablet', { size: { width: 1024, height: 768 }, theme: 'light' });
await look('empty-dark', { mode: 'empty' });
await look('empty-phone', { mode: 'empty', size: PHONE, theme: 'light' });
await look('quiet', { mode: 'quiet', theme: 'light' });
await look('degraded', { mode: 'degraded' });
await look('stale', { theme: 'light' }, async (page, { world }) => {
  world.stale = true;
  await page.waitForTimeout(700);
});
await look('reconnecting', {}, async (page, { world, cut }) => {
  world.refuse = true;
  cut();
  await page.waitForTimeout(3000);
});
await look('unreachable', {}, async (page, { world, cut }) => {
  world.refuse = true;
  cut();
  await page.reload();
  await page.waitForTimeout(2500);
});
await look('nothing', { hash: '?state=rejected', theme: 'light' });
await browser.close();
