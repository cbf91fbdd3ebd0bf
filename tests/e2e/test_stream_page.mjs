// Follows /api/stream with a browser's EventSource until it was cut once and came back, and prints what was seen as JSON:
// node test_stream_page.mjs <folder of playwright-core> <url>. Writes a line to stdout when the first snapshot was there.
import { createRequire } from 'node:module';

const [folder, url] = process.argv.slice(2);
const { chromium } = createRequire(`${folder}/`)('playwright-core');
const arguments_ = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: arguments_ });

try {
  const page = await browser.newPage();
  await page.goto(`${url}/docs/icon.svg`);
  await page.evaluate(() => {
    window.seen = { opened: 0, kinds: [], states: {}, ids: 0 };
    const source = new EventSource('/api/stream?fields=id,state');
    source.addEventListener('connected', () => (window.seen.opened += 1));
    source.addEventListener('task_updates', (event) => {
      const data = JSON.parse(event.data);
      window.seen.kinds.push(data.kind);
      window.seen.ids += event.lastEventId === data.position ? 1 : 0;
      for (const row of data.tasks ?? data.upsert) window.seen.states[row.id] = row.state;
    });
  });
  await page.waitForFunction(() => window.seen.states.a === 'running', null, { timeout: 20_000 });
  console.log('following');
  await page.waitForFunction(() => window.seen.opened > 1 && window.seen.states.a === 'succeeded', null, { timeout: 20_000 });
  console.log(JSON.stringify(await page.evaluate(() => window.seen)));
} finally {
  await browser.close();
}
