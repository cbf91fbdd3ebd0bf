// The page in Chromium, against a Taskscope that runs with real workers: TASKSCOPE_URL names it. tests/e2e/test_pages.py of the
// repository starts one and runs this; `npm run test:e2e` beside a demo does as well.
import { defineConfig } from '@playwright/test';
import process from 'node:process';

const root = process.getuid?.() === 0;

export default defineConfig({
  testDir: 'tests/e2e',
  outputDir: 'tests/output/e2e',
  workers: 2,
  fullyParallel: true,
  forbidOnly: process.env.CI === 'true',
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: [['list']],
  use: {
    baseURL: process.env.TASKSCOPE_URL ?? 'http://127.0.0.1:5051/',
    viewport: { width: 1440, height: 900 },
    actionTimeout: 15_000,
    navigationTimeout: 15_000,
    trace: 'off',
    screenshot: 'only-on-failure',
    contextOptions: { reducedMotion: 'reduce' },
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ['--disable-background-networking', ...(root ? ['--no-sandbox'] : [])],
    },
  },
});
