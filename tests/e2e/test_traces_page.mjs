// Opens the built page at an api's own address in Chromium, shows one task's details, and prints what the page said of its traces as
// JSON: node test_traces_page.mjs <folder of playwright-core> <url> <folder of the built page> <task key>.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';

const [folder, url, built, task] = process.argv.slice(2);
const { chromium } = createRequire(`${folder}/`)('playwright-core');
// A page that a test fulfils has no address, and may not open a WebSocket to this machine without this.
const arguments_ = ['--disable-features=LocalNetworkAccessChecks'];
if (process.getuid?.() === 0) arguments_.push('--no-sandbox');
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: arguments_ });
const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

try {
  const page = await browser.newPage();
  const seen = { joined: null, asked: null };
  page.on('websocket', (socket) =>
    socket.on('framesent', ({ payload }) => {
      const message = JSON.parse(payload);
      if (message.event === 'join_task_monitoring') seen.joined ??= message.traceparent;
    }),
  );
  page.on('request', (request) => {
    if (request.url().includes('/api/tasks/s/')) seen.asked ??= request.headers().traceparent;
  });
  // The page's files from their folder, as the web service has them; everything else goes to the api itself.
  await page.route(/^[^?]*$/, async (route) => {
    const { pathname } = new URL(route.request().url());
    const isOurs = pathname === '/' || pathname.startsWith('/assets/') || /^\/[a-z]+\.(js|svg)$/.test(pathname);
    if (!isOurs) return route.continue();
    const file = path.join(built, pathname === '/' ? 'index.html' : pathname);
    return route.fulfill({ body: await readFile(file), contentType: types[path.extname(file)] ?? 'application/octet-stream' });
  });
  await page.goto(`${url}/#realtime?task=${task}`);
  const deadline = Date.now() + 20_000;
  while ((seen.joined === null || seen.asked === null) && Date.now() < deadline) await page.waitForTimeout(50);
  console.log(JSON.stringify(seen));
} finally {
  await browser.close();
}
