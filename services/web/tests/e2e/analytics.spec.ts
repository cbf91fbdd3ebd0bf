/** From how it goes to what has ended: the overview, and the analytics that it leads to. */
import { expect, test } from './test';

const settled = '[aria-busy="true"]';

test('the overview leads to the analytics of its window', async ({ page }) => {
  await page.goto('./#overview?window=6h');
  await page.getByRole('heading', { name: 'Throughput' }).getByRole('link').click();
  await expect(page).toHaveURL(/#analytics\?window=6h$/);
  await expect(page.getByRole('region', { name: 'Figures of the window' })).toContainText('Finished');
});

test('the overview leads to the tasks of a kind', async ({ page }) => {
  await page.goto('./#overview');
  await page
    .getByRole('link', { name: /^Analytics of / })
    .first()
    .click();
  await expect(page).toHaveURL(/#analytics\?.*kind=/);
});

test('yesterday nothing ended here, and it says what did since', async ({ page }) => {
  await page.goto('./#analytics');
  await page.getByRole('group', { name: 'Window' }).getByRole('link', { name: 'Yesterday' }).click();
  await expect(page).toHaveURL(/window=yesterday/);
  // Just after midnight there is something.
  await expect(page.getByRole('main')).toContainText(/Nothing ended in this window|This window is over/);
  await page.goBack();
  await expect(page).toHaveURL(/#analytics$/);
  await page.getByRole('region', { name: 'Figures of the window' }).waitFor();
});

test('failures are told apart, and lead to an example', async ({ page }) => {
  await page.goto('./#analytics');
  await page
    .getByRole('navigation', { name: 'What to look at' })
    .getByRole('link', { name: /^Failures/ })
    .click();
  await expect(page).toHaveURL(/tab=failures/);
  await page.getByRole('link', { name: 'Latest example' }).first().click();
  await expect(page).toHaveURL(/#tasks\/[^/]+\/.+/);
  await expect(page.getByText('raised here').first()).toBeVisible();
});

test('a group narrows everything to itself, and the filter can be taken away', async ({ page }) => {
  await page.goto('./#analytics?by=queue');
  const table = page.getByRole('table', { name: 'What ended, by queue' });
  const link = table.getByTitle(/^Look at .* alone$/).first();
  const name = (await link.textContent()) ?? '';
  await link.click();
  await expect(page).toHaveURL(new RegExp(`queue=${encodeURIComponent(name)}`));
  await page.locator(settled).first().waitFor({ state: 'detached' });
  await page.getByRole('link', { name: `Without queue ${name}` }).click();
  await expect(page).not.toHaveURL(/queue=/);
});
