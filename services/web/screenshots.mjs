// Pictures of a Taskscope that runs, for README and docs: node screenshots.mjs http://127.0.0.1:5051/ OUTPUT
import { mkdir } from 'node:fs/promises';
import { chromium } from 'playwright-core';

const [url, output] = process.argv.slice(2);
const DESK = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };

async function failedTask() {
  const answer = await fetch(`${url}api/tasks?state=failed&sort=-finished_at&limit=1`);
  return (await answer.json()).items[0];
}

/** File name → address, and what must be there before the picture is taken. */
async function pictures() {
  const task = await failedTask();
  return {
    overview: ['#overview', 'canvas'],
    realtime: ['#realtime', '[data-task]'],
    tasks: ['#tasks', '[data-task]'],
    task: [`#tasks/${task.source}/${encodeURIComponent(task.id)}`, 'h1'],
    workers: ['#workers', 'h1'],
    queues: ['#queues', 'h1'],
    analytics: ['#analytics?window=1h', 'canvas'],
    sources: ['#sources', 'h1'],
  };
}

async function take(browser, file, [hash, there], viewport, colorScheme) {
  const page = await browser.newPage({ viewport, colorScheme });
  page.on('pageerror', (error) => {
    throw error;
  });
  await page.goto(url + hash);
  await page.locator(there).first().waitFor();
  await page.waitForTimeout(4000); // series and second answers
  await page.screenshot({ path: `${output}/${file}.png` });
  await page.close();
}

await mkdir(output, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
for (const [name, what] of Object.entries(await pictures())) {
  for (const scheme of ['light', 'dark']) await take(browser, `${name}-${scheme}`, what, DESK, scheme);
  await take(browser, `${name}-phone`, what, PHONE, name < 'r' ? 'dark' : 'light');
}
await browser.close();
