// Drives Chromium for page_load.py and prints one JSON object: node page_browser.mjs <folder of playwright-core> <what> <url> [JSON of options]
import { createRequire } from 'node:module';
import { busy, frames } from './page_trace.mjs';

const [folder, what, url, options = '{}'] = process.argv.slice(2);
const { chromium } = createRequire(`${folder}/`)('playwright-core');
const ROW = '[data-task]';
const VIEWPORT = { width: 1440, height: 900 };
const MEASURES = { firstRow, load, scroll, search };
const CATEGORIES = ['devtools.timeline', 'disabled-by-default-devtools.timeline'];

const root = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--disable-background-networking', '--enable-precise-memory-info', ...root],
});
try {
  console.log(JSON.stringify(await MEASURES[what](JSON.parse(options))));
} finally {
  await browser.close();
}

/** Milliseconds from the navigation to the frame after the first row's, each time with nothing in the browser's cache. */
async function firstRow({ times }) {
  const took = [];
  for (let time = 0; time < times; time += 1) {
    const page = await browser.newPage({ viewport: VIEWPORT });
    await page.addInitScript(watchForRow, ROW);
    await page.goto(`${url}#realtime`);
    took.push(await page.waitForFunction(() => globalThis.firstRowAt).then((found) => found.jsonValue()));
    await page.close();
  }
  return { took };
}

function watchForRow(selector) {
  // The task after the frame: a message comes before the timers of what is drawn next.
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => (globalThis.firstRowAt = performance.now());
  const painted = () => requestAnimationFrame(() => port2.postMessage(null));
  const observer = new MutationObserver(() => {
    if (document.querySelector(selector) === null) return;
    observer.disconnect();
    painted();
  });
  observer.observe(document, { childList: true, subtree: true });
}

/**
 * An empty page of the same server, then the realtime page while events arrive: traced for `traced` seconds of every minute,
 * watched for long tasks all the time, its heap measured each minute after a forced collection. `seconds` in all.
 */
async function load({ seconds, traced }) {
  const empty = await open(`${url}livez`);
  await empty.page.waitForTimeout(10_000); // the browser's own start
  const baseline = await trace(empty, traced);
  await empty.page.close();
  const realtime = await open(`${url}#realtime`);
  await realtime.page.locator(ROW).first().waitFor();
  await realtime.page.evaluate(watchLongTasks);
  const [began, windows, heaps] = [Date.now(), [], []];
  while (Date.now() - began < seconds * 1000) {
    const minute = Date.now();
    windows.push(await trace(realtime, traced));
    heaps.push({ at: (Date.now() - began) / 1000, bytes: await heap(realtime) });
    const left = Math.min(minute + 60_000, began + seconds * 1000) - Date.now();
    await realtime.page.waitForTimeout(Math.max(0, left));
  }
  const { long, rows } = await realtime.page.evaluate(() => ({
    long: globalThis.longTasks,
    rows: document.querySelectorAll('[data-task]').length,
  }));
  return { baseline, windows, heaps, long, rows };
}

/**
 * Milliseconds of script in each frame while the list of tasks is scrolled as with a wheel, and while it jumps from place to place as
 * with the bar: as CPU time of the main thread, since a machine that does other things, too, makes frames wait, not work.
 */
async function scroll({ pixels, speed, jumps }) {
  const { page, session } = await open(`${url}#tasks`);
  await page.locator(ROW).first().waitFor();
  await page.waitForTimeout(2_000); // what the page loads beside its rows
  const at = await page.locator('.scroller').boundingBox();
  const smooth = await framesOf(page, () =>
    session.send('Input.synthesizeScrollGesture', {
      ...{ x: at.x + at.width / 2, y: at.y + at.height / 2, yDistance: -pixels, speed, gestureSourceType: 'mouse' },
      preventFling: true,
    }),
  );
  return { smooth, jumps: await framesOf(page, () => page.evaluate(jump, jumps)) };
}

async function framesOf(page, act) {
  await browser.startTracing(page, { categories: CATEGORIES });
  await act();
  return frames(JSON.parse(await browser.stopTracing()).traceEvents);
}

async function jump(times) {
  const scroller = document.querySelector('.scroller');
  const step = scroller.scrollHeight / times;
  for (let time = 0; time < times; time += 1) {
    scroller.scrollTo(0, ((time * 7) % times) * step);
    await new Promise((next) => setTimeout(next, 100));
  }
}

/** Milliseconds from the first letter of a search to its one row; each is of another task's id, typed as one paste. */
async function search({ times }) {
  const { page } = await open(`${url}#tasks`);
  await page.locator(ROW).first().waitFor();
  const list = await (await fetch(`${url}api/tasks?limit=500&offset=40000&fields=id`)).json();
  const took = [];
  for (let time = 0; time < times; time += 1) {
    await page.locator('[data-key="/"]').fill('');
    await page.waitForFunction((row) => document.querySelectorAll(row).length > 10, ROW);
    await page.waitForTimeout(1_000); // counts beside the rows
    took.push(await page.evaluate(searched, [ROW, list.items[time * 12].id]));
  }
  return { took };
}

function searched([selector, id]) {
  const field = document.querySelector('[data-key="/"]');
  field.focus();
  field.value = id;
  const begun = performance.now();
  field.dispatchEvent(new Event('input', { bubbles: true }));
  return new Promise((found) => {
    const look = () => {
      const rows = [...document.querySelectorAll(selector)];
      if (rows.length === 1 && rows[0].dataset.task.includes(id)) setTimeout(() => found(performance.now() - begun));
      else requestAnimationFrame(look);
    };
    look();
  });
}

async function open(address) {
  const page = await browser.newPage({ viewport: VIEWPORT });
  await page.goto(address);
  const session = await page.context().newCDPSession(page);
  return { page, session };
}

/** @returns the share of the time that the page's main thread was busy, and its longest task in milliseconds. */
async function trace({ page }, seconds) {
  await browser.startTracing(page, { categories: CATEGORIES });
  await page.waitForTimeout(seconds * 1000);
  return busy(JSON.parse(await browser.stopTracing()).traceEvents, seconds);
}

/** Milliseconds of each task of 50 ms and more. What the collection of garbage takes that we force is not among them: it is none of the page's. */
function watchLongTasks() {
  globalThis.longTasks = [];
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) globalThis.longTasks.push([startTime, duration]);
  }).observe({ type: 'longtask' });
}

async function heap({ session }) {
  await session.send('HeapProfiler.collectGarbage');
  return (await session.send('Runtime.getHeapUsage')).usedSize;
}
