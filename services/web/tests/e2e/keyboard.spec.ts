/** The page without a pointer. */
import { open, ROUTES } from './routes';
import { expect, test } from './test';

const [overview] = ROUTES;

test.beforeEach(async ({ page }) => {
  if (overview !== undefined) await open(page, overview);
});

test('the palette finds a queue, and goes there', async ({ page }) => {
  await page.keyboard.press('Control+k');
  const field = page.getByRole('combobox', { name: 'Search or jump to' });
  await expect(field).toBeFocused();
  await page.keyboard.type('transcri');
  const queues = page.getByRole('group', { name: 'Queues' });
  const option = queues.getByRole('option').first();
  // What is chosen is told by the field: arrows go until it is the queue.
  const id = (await option.getAttribute('id')) ?? '';
  await expect(async () => {
    if ((await field.getAttribute('aria-activedescendant')) !== id) await page.keyboard.press('ArrowDown');
    await expect(field).toHaveAttribute('aria-activedescendant', id, { timeout: 250 });
  }).toPass();
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/#queues\/celery\/transcription$/);
  await expect(page.getByRole('heading', { level: 1 })).toContainText('transcription');
});

test('the palette lets the focus go back where it was', async ({ page }) => {
  const link = page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: /^Workers/ });
  await link.focus();
  await page.keyboard.press('Control+k');
  await expect(page.getByRole('combobox', { name: 'Search or jump to' })).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(link).toBeFocused();
});

test('two keys go to a page, and / into its search', async ({ page }) => {
  await page.keyboard.press('g');
  await page.keyboard.press('t');
  await expect(page).toHaveURL(/#tasks$/);
  const search = page.getByRole('combobox', { name: 'Search tasks' });
  await search.waitFor();
  await page.keyboard.press('/');
  await expect(search).toBeFocused();
});

test('? lists the keys of the page that is looked at', async ({ page }) => {
  await page.keyboard.press('?');
  const sheet = page.getByRole('dialog', { name: 'Keyboard' });
  await expect(sheet).toContainText('go to Tasks');
  await page.keyboard.press('Escape');
  await expect(sheet).toBeHidden();
});

test('the first stop skips what all pages have', async ({ page }) => {
  await page.keyboard.press('Tab');
  await expect(page.getByRole('button', { name: 'Skip to the page' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('main')).toBeFocused();
});
