// Opens the page in Chromium and tells, as JSON, which addresses it asked for and what it shows: node test_base_path_page.mjs <folder of
// playwright-core> <url> <token or nothing>. With a token it signs in first.
import { createRequire } from 'node:module';

const [folder, url, token] = process.argv.slice(2);
const { chromium } = createRequire(`${folder}/`)('playwright-core');
const arguments_ = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: arguments_ });
const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
const asked = new Set();
const errors = [];
const wrong = [];
page.on('pageerror', (error) => errors.push(String(error)));
page.on('request', (request) => asked.add(new URL(request.url()).pathname));
page.on('websocket', (socket) => asked.add(new URL(socket.url()).pathname));
page.on('response', (answer) => answer.status() >= 400 && wrong.push(`${answer.status()} ${answer.url()}`));

try {
  await page.goto(url);
  if (token) {
    await page.locator('input[type=password]').fill(token);
    await page.keyboard.press('Enter');
  }
  await page.locator('[data-task]').first().waitFor({ timeout: 30_000 });
  const cookies = (await page.context().cookies()).map(({ name, path }) => ({ name, path }));
  const rows = await page.locator('[data-task]').count();
  console.log(JSON.stringify({ url: page.url(), rows, asked: [...asked].sort(), errors, wrong, cookies }));
} finally {
  await browser.close();
}
