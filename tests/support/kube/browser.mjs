// Chromium, driven line by line: node browser.mjs <folder of playwright-core> <chromium> <resolver rules>
// Each line on stdin is [number, page, command, ...arguments], each on stdout [number, error or null, answer].
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';

const [folder, executablePath, rules] = process.argv.slice(2);
const { chromium } = createRequire(`${folder}/`)('playwright-core');
const args = [`--host-resolver-rules=${rules}`, ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])];
const browser = await chromium.launch({ executablePath, args });
const pages = new Map();
const now = () => Date.now() / 1000;

/** A page and what happened on it: exceptions and refused policies, and each WebSocket with the times of its frames. */
async function opened(name, url) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  const seen = { page, problems: [], sockets: [], requests: [] };
  page.setDefaultTimeout(20_000);
  page.on('pageerror', (error) => seen.problems.push(String(error)));
  page.on('console', (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) seen.problems.push(message.text());
  });
  page.on('response', (response) => seen.requests.push([response.status(), response.url()]));
  page.on('websocket', (socket) => {
    const it = { url: socket.url(), opened: now(), closed: null, frames: [] };
    seen.sockets.push(it);
    socket.on('framereceived', () => it.frames.push(now()));
    socket.on('close', () => (it.closed = now()));
  });
  pages.set(name, seen);
  await page.goto(url);
}

async function signIn(page, token) {
  const field = page.getByLabel('Token', { exact: true });
  await field.fill(token);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await field.waitFor({ state: 'detached' });
}

/** What the table shows: the task's key, the text of its row, and how far its progress bar is. */
const rows = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll('[data-task]')].map((row) => ({
      key: row.dataset.task,
      text: row.innerText,
      percent: Number(row.querySelector('[role=progressbar]')?.getAttribute('aria-valuenow') ?? -1),
    })),
  );

const commands = {
  open: (name, url) => opened(name, url),
  sign_in: (name, token) => signIn(pages.get(name).page, token),
  go: (name, url) => pages.get(name).page.goto(url).then(() => null),
  rows: (name) => rows(pages.get(name).page),
  status: (name) => pages.get(name).page.locator('.connection [role=status]').textContent(),
  text: (name) => pages.get(name).page.locator('body').innerText(),
  evaluate: (name, expression) => pages.get(name).page.evaluate(expression),
  picture: (name, path) => pages.get(name).page.screenshot({ path }),
  problems: (name) => pages.get(name).problems,
  sockets: (name) => pages.get(name).sockets,
  requests: (name) => pages.get(name).requests,
  close: async (name) => {
    await pages.get(name).page.context().close();
    pages.delete(name);
  },
};

async function obey(line) {
  const [number, page, command, ...rest] = JSON.parse(line);
  try {
    const answer = await commands[command](page, ...rest);
    process.stdout.write(`${JSON.stringify([number, null, answer ?? null])}\n`);
  } catch (error) {
    process.stdout.write(`${JSON.stringify([number, String(error.message ?? error), null])}\n`);
  }
}

process.stdout.write('[0, null, "ready"]\n');
createInterface({ input: process.stdin })
  .on('line', (line) => void obey(line))
  .on('close', () => void browser.close().finally(() => process.exit()));
