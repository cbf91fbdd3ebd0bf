/** What holds on each page, whatever it shows. */
import { COLOURS, violations } from './axe';
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
  // Everything in one visit: coming to a page takes longer than most of what is asked of it. What is soft does not hide the rest.
  test(`${route.name} can be read, reached and understood`, async ({ page }) => {
    test.setTimeout(120_000);
    await open(page, route);

    await test.step('it says what it is', async () => {
      await expect(page.getByRole('heading', { level: 1 })).toHaveCount(1);
      await expect(page.getByRole('banner')).toHaveCount(1);
      await expect(page.getByRole('main')).toHaveCount(1);
      await expect(page).toHaveTitle(/Taskscope/);
    });

    await test.step('it is accessible, in both themes', async () => {
      expect.soft(await violations(page), 'light').toEqual([]);
      await darken(page);
      expect.soft(await violations(page, COLOURS), 'dark').toEqual([]);
    });

    await test.step('on a phone, too', async () => {
      await page.setViewportSize({ width: 390, height: 844 });
      expect.soft(await violations(page)).toEqual([]);
    });

    await test.step('nothing sticks out on a phone, or enlarged', async () => {
      // 720 pixels are what is left of 1440 when everything is twice as large.
      for (const width of [320, 390, 720]) {
        await page.setViewportSize({ width, height: 844 });
        expect.soft(await sticksOut(page), `at ${String(width)} pixels`).toEqual([]);
      }
      await page.setViewportSize({ width: 1440, height: 900 });
    });

    await test.step('Tab is seen wherever it goes', async () => {
      const stops = await walk(page, 40);
      expect.soft(stops.length).toBeGreaterThan(1);
      expect.soft(stops.filter((stop) => !stop.visible || !stop.inView)).toEqual([]);
    });
  });
