// Opens the page of a running demo in Chromium and prints what it shows as JSON: node test_demo_page.mjs <folder of playwright-core> <url>
import { createRequire } from 'node:module';

const [folder, url] = process.argv.slice(2);
const { chromium } = createRequire(`${folder}/`)('playwright-core');
const arguments_ = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: arguments_ });
const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
const errors = [];
page.on('pageerror', (error) => errors.push(String(error)));

/** The progress bars on the page: task key → percent. */
const bars = () =>
  page.evaluate(() =>
    Object.fromEntries(
      [...document.querySelectorAll('[data-task]')]
        .map((row) => [row.dataset.task, row.querySelector('[role=progressbar]')?.getAttribute('aria-valuenow')])
        .filter(([, percent]) => percent !== undefined && percent !== null),
    ),
  );
const counted = () => page.locator('[data-task]').count();
const grown = (before, after) => Object.keys(before).filter((task) => Number(after[task]) > Number(before[task]));

try {
  await page.goto(url);
  await page.locator('[data-task] [role=progressbar]').first().waitFor({ timeout: 20_000 });
  const before = await bars();
  const deadline = Date.now() + 30_000;
  let after = before;
  // A demo that has just begun has few tasks yet.
  while ((grown(before, after).length === 0 || (await counted()) <= 10) && Date.now() < deadline) {
    await page.waitForTimeout(250);
    after = await bars();
  }
  console.log(JSON.stringify({ rows: await counted(), grown: grown(before, after), errors, text: await page.locator('body').innerText() }));
} finally {
  await browser.close();
}
