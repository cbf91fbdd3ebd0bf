/** What the browser counts as a shift of the layout: something that moved without anybody having done anything. */
import type { Page } from '@playwright/test';

/** To be called before the page is opened. */
export async function watchShifts(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const seen = { shifted: 0 };
    Object.assign(globalThis, { seen });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) seen.shifted += (entry as unknown as { value: number }).value;
    }).observe({ type: 'layout-shift', buffered: true });
  });
}

/** All shifts since then, each the part of the window that moved times how far. */
export function shifted(page: Page): Promise<number> {
  return page.evaluate(() => (globalThis as unknown as { seen: { shifted: number } }).seen.shifted);
}
