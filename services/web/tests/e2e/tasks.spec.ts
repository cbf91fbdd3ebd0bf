/** What somebody finds in the list of tasks. */
import { expect, test, type Page } from './test';

const search = (page: Page) => page.getByRole('combobox', { name: 'Search tasks' });
const rows = (page: Page) => page.locator('main [data-task]');
const facets = (page: Page) => page.getByRole('complementary', { name: 'Filters' });

async function open(page: Page, hash = '#tasks'): Promise<void> {
  await page.goto(`./${hash}`);
  await search(page).waitFor();
}

test('a suggestion is taken by keys, and the rows are those that it says', async ({ page }) => {
  await open(page);
  await page.keyboard.press('/');
  await page.keyboard.type('state:fai');
  await expect(page.getByRole('option', { name: /failed/ }).first()).toBeVisible();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await expect(search(page)).toHaveValue(/^state:failed ?$/);
  await expect(page).toHaveURL(/#tasks\?state=failed$/);
  await expect
    .poll(async () => {
      const texts = await rows(page).allTextContents();
      return texts.length > 0 && texts.every((text) => text.includes('Failed'));
    })
    .toBe(true);
});

test('a word that is no field is said, and nothing is shown in its stead', async ({ page }) => {
  await open(page);
  await search(page).fill('sate:failed ');
  await page.keyboard.press('Enter');
  await expect(page.getByText('“sate” is no field.').first()).toBeVisible();
  await expect(search(page)).toHaveAttribute('aria-invalid', 'true');
  await search(page).fill('state:failed');
  await page.keyboard.press('Enter');
  await expect(search(page)).toHaveAttribute('aria-invalid', 'false');
  await rows(page).first().waitFor();
});

test('a facet narrows the list, and the way back widens it', async ({ page }) => {
  await open(page);
  const state = facets(page).getByRole('region', { name: 'State' });
  await state.getByRole('link', { name: /^Succeeded/ }).click();
  await expect(page).toHaveURL(/state=succeeded/);
  await expect(search(page)).toHaveValue('state:succeeded');
  await page.goBack();
  await expect(page).toHaveURL(/#tasks$/);
  await expect(search(page)).toHaveValue('');
});

test('End and Home go to the last row and the first, however many there are', async ({ page }) => {
  await open(page, '#tasks?state=succeeded&sort=updated');
  const table = page.getByRole('table', { name: 'Tasks' });
  await rows(page).first().waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('End');
  await expect
    .poll(async () => {
      const count = Number(await table.getAttribute('aria-rowcount')) - 1;
      const index = await page.evaluate('document.activeElement.closest("[data-index]")?.dataset.index');
      return count - Number(index);
    })
    .toBeLessThan(20); // some may have come since
  await page.keyboard.press('Home');
  await expect(page.locator('[data-index="0"]')).toBeInViewport();
  await expect
    .poll(() => page.evaluate('document.activeElement.closest("[data-index]")?.dataset.index'))
    .toBe('0');
});

test('rows that were chosen can be exported, by a link', async ({ page }) => {
  await open(page, '#tasks?state=failed');
  const boxes = page.locator('[data-task]').getByRole('checkbox');
  await boxes.first().check();
  const chosen = page.getByRole('region', { name: 'Chosen tasks' });
  await expect(chosen).toContainText('1 task chosen');
  const link = chosen.getByRole('link', { name: 'Export as CSV' });
  const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
  expect(download.suggestedFilename()).toMatch(/\.csv$/);
  expect((await link.getAttribute('href')) ?? '').toMatch(/api\/tasks\?key=.*format=csv/);
  await chosen.getByRole('button', { name: 'Choose none' }).click();
  await expect(chosen).toBeHidden();
});

test('where nothing matches, it says which part excludes the most', async ({ page }) => {
  await open(page, '#tasks?state=failed&name=nothing.is.called.so');
  const main = page.getByRole('main');
  await expect(main).toContainText('No task matches');
  await main.getByRole('link', { name: /without name:nothing/ }).click();
  await expect(page).toHaveURL(/#tasks\?state=failed$/);
  await rows(page).first().waitFor();
});
