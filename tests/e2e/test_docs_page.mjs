// Opens /docs in Chromium, sends one request from it, and prints what was seen as JSON: node test_docs_page.mjs <folder of playwright-core> <url> [unknown]
import { createRequire } from 'node:module';

const [folder, url, who] = process.argv.slice(2);
const { chromium } = createRequire(`${folder}/`)('playwright-core');
const arguments_ = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: arguments_ });

async function look(width, colorScheme) {
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
  const requests = [];
  const errors = [];
  page.on('request', (request) => requests.push(request.url()));
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  await page.goto(`${url}/docs`);
  const operation = page.locator('[id="operations-tasks-get_tasks"]');
  await operation.locator('.opblock-summary-control').click();
  await operation.locator('.try-out__btn').click();
  await operation.locator('.execute').click();
  await operation.locator('.live-responses-table .response-col_status').first().waitFor({ timeout: 20_000 });
  const seen = await page.evaluate(() => ({
    operations: document.querySelectorAll('.opblock').length,
    background: getComputedStyle(document.body).backgroundColor,
    fits: document.documentElement.scrollWidth <= innerWidth,
  }));
  const status = (await operation.locator('.live-responses-table tbody .response-col_status').first().innerText()).trim();
  await page.close();
  return { ...seen, status, errors, outside: requests.filter((one) => !one.startsWith(url) && !one.startsWith('data:')) };
}

async function lookAtPush() {
  const page = await browser.newPage({ viewport: { width: 390, height: 900 } });
  const requests = [];
  const errors = [];
  page.on('request', (request) => requests.push(request.url()));
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  await page.goto(`${url}/docs`);
  await page.locator('a[href="./docs/push.html"]').click();
  await page.locator('.message').first().waitFor({ timeout: 20_000 });
  await page.locator('.message', { hasText: 'join_task_monitoring' }).first().locator('summary').first().click();
  const seen = await page.evaluate(() => ({
    messages: document.querySelectorAll('.message').length,
    text: document.querySelector('.message[open]').innerText,
    fits: document.documentElement.scrollWidth <= innerWidth,
  }));
  return { ...seen, errors, outside: requests.filter((one) => !one.startsWith(url) && !one.startsWith('data:')) };
}

/** What somebody sees who did not sign in where one has to. */
async function lookUnknown(path) {
  const page = await browser.newPage({ viewport: { width: 390, height: 900 } });
  await page.goto(`${url}${path}`);
  const link = page.getByRole('link', { name: 'Sign in' });
  await link.waitFor({ timeout: 20_000 });
  const seen = { text: await page.locator('body').innerText(), leads: await link.evaluate((one) => one.href) };
  await page.close();
  return seen;
}

try {
  if (who === 'unknown') console.log(JSON.stringify({ docs: await lookUnknown('/docs'), push: await lookUnknown('/docs/push.html') }));
  else console.log(JSON.stringify({ push: await lookAtPush(), wide: await look(1440, 'light'), narrow: await look(390, 'dark') }));
} finally {
  await browser.close();
}
