// TEST ONLY. Pictures of a Taskscope that runs: node tests/server/live.mjs http://127.0.0.1:5051/ → tests/output/live-*.png
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const OUTPUT = fileURLToPath(new URL('../output/', import.meta.url));
const [url = 'http://127.0.0.1:5051/', seconds = '8'] = process.argv.slice(2);
await mkdir(OUTPUT, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium' });
for (const [width, height] of [
  [1440, 900],
  [390, 844],
])
  for (const colorScheme of ['light', 'dark']) {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme });
    page.on('console', (message) => message.type() === 'error' && console.log(message.text()));
    page.on('pageerror', (error) => console.log(String(error)));
    await page.goto(`${url}#realtime`);
    await page.waitForTimeout(Number(seconds) * 1000);
    await page.screenshot({ path: `${OUTPUT}live-${width}-${colorScheme}.png` });
    const link = page.locator('#tasks [data-task] a').nth(width === 1440 ? 0 : 12);
    await link.click();
    await page.waitForTimeout(1000);
    await page.screenshot({ path: `${OUTPUT}live-${width}-${colorScheme}-task.png` });
    await page.close();
  }
await browser.close();
