// Draws the icons of the installed page from their SVG: `npm run icons`. The PNG are kept in the repository.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const PUBLIC = fileURLToPath(new URL('./public/', import.meta.url));
const ICONS = { 'favicon.svg': 'icon', 'icon-maskable.svg': 'icon-maskable' };

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
for (const [file, name] of Object.entries(ICONS)) {
  const svg = await readFile(PUBLIC + file, 'utf8');
  for (const size of [192, 512]) {
    const page = await browser.newPage({ viewport: { width: size, height: size } });
    await page.setContent(`<style>body{margin:0}svg{display:block;width:${size}px}</style>${svg}`);
    await page.screenshot({ path: `${PUBLIC}${name}-${size}.png`, omitBackground: true });
    await page.close();
  }
}
await browser.close();
