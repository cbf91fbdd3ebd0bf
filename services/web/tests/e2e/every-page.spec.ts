/** What holds on each page, whatever it shows. */
import { violations } from './axe';
import { walk } from './focus';
import { open, ROUTES } from './routes';
import { expect, test, type Page } from './test';
import { sticksOut } from './width';

/** What goes over from one colour to the other has arrived. */
async function darken(page: Page): Promise<void> {
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.waitForFunction(
    () => !document.getAnimations().some((animation) => animation instanceof CSSTransition),
  );
}

for (const route of ROUTES)
  test.describe(route.name, () => {
    test.beforeEach(({ page }) => open(page, route));

    test('says what it is, and can be read on a phone and enlarged', async ({ page }) => {
      await expect(page.getByRole('heading', { level: 1 })).toHaveCount(1);
      await expect(page.getByRole('banner')).toHaveCount(1);
      await expect(page.getByRole('main')).toHaveCount(1);
      await expect(page).toHaveTitle(/Taskscope/);
      // 720 pixels are what is left of 1440 when everything is twice as large.
      for (const width of [390, 720]) {
        await page.setViewportSize({ width, height: 844 });
        expect(await sticksOut(page), `at ${String(width)} pixels`).toEqual([]);
      }
    });

    test('is accessible in both themes and on a phone', async ({ page }) => {
      expect(await violations(page), 'light').toEqual([]);
      await darken(page);
      expect(await violations(page), 'dark').toEqual([]);
      await page.setViewportSize({ width: 390, height: 844 });
      expect(await violations(page), 'dark, on a phone').toEqual([]);
    });

    test('shows where the keyboard is', async ({ page }) => {
      const stops = await walk(page, 60);
      expect(stops.length).toBeGreaterThan(1);
      expect(stops.filter((stop) => !stop.visible || !stop.inView)).toEqual([]);
    });
  });
