/** What somebody finds out about one task: in the drawer over a list, and on its page. */
import type { APIRequestContext, Page } from '@playwright/test';
import { expect, test } from './test';

/** The key of the first task that fits, which may have to come first. */
async function first(api: APIRequestContext, query: string): Promise<string> {
  let key: string | undefined;
  await expect
    .poll(
      async () => {
        const answer = await api.get(`api/tasks?limit=1&${query}`);
        key = ((await answer.json()) as { items: { key: string }[] }).items[0]?.key;
        return key;
      },
      { timeout: 30_000 },
    )
    .toBeDefined();
  return key ?? '';
}

async function open(page: Page, query: string): Promise<string> {
  const key = await first(page.request, query);
  await page.goto(`./#tasks/${key}`);
  await page.getByRole('heading', { name: 'Attempts' }).waitFor();
  return key;
}

test('a failed task shows its exception first, the own line of code, and folds the libraries', async ({
  page,
}) => {
  await open(page, 'state=failed&source=rq');
  await page.getByText('raised here').waitFor();
  await expect(page.getByText(/\d+ frames in rq/)).toBeVisible();
  await page.getByRole('link', { name: 'Raw', exact: true }).click();
  await page.getByText('Traceback (most recent call last)').waitFor();
  await expect(page).toHaveURL(/traceback=raw/);
});

test('a task of a chain leads to its parent and its children', async ({ page }) => {
  const key = await open(page, 'state=succeeded&name=*transcription.transcribe');
  const graph = page.getByRole('group', { name: 'Tasks around this one' });
  await graph.getByRole('link', { name: /detect_transcription_language/ }).click();
  await expect(page.getByRole('heading', { level: 1 })).toContainText('detect_transcription_language');
  await graph.getByRole('link', { name: /transcribe/ }).click();
  await expect(page).toHaveURL(new RegExp(`#tasks/${key}$`));
});

test('a retried task has a row for each attempt, and says when each was', async ({ page }) => {
  await open(page, 'state=succeeded&name=*fetch_video&sort=-retries');
  const attempt = page.getByRole('button', { name: /^Attempt 1/ });
  await expect(attempt).toHaveAttribute('aria-expanded', 'false');
  await attempt.focus();
  await page.keyboard.press('Enter');
  await page.getByText('SourceNotReadyError').first().waitFor();
});

test('a task that waits is seen to run and to end, by itself', async ({ page }) => {
  test.setTimeout(90_000);
  // The one that waits longest, of those that need not wait for a time of their own.
  await open(page, 'state=queued,reserved&name=*process_vod&q=council&sort=sent_at');
  const attempt = page.getByRole('button', { name: /^Attempt 1/ });
  await expect(attempt).toContainText(/Succeeded|Revoked/, { timeout: 60_000 });
});

test('the answer of the api is one link away, and an address of its own', async ({ page }) => {
  const key = await open(page, 'state=succeeded');
  await page.getByRole('link', { name: 'Raw JSON' }).click();
  await expect(page.getByRole('region', { name: 'JSON' })).toContainText(`"key": "${key}"`);
  await expect(page).toHaveURL(/show=raw/);
});

test('an id alone leads to the whole address', async ({ page }) => {
  const key = await first(page.request, 'state=succeeded');
  await page.goto(`./#tasks/${key.slice(key.indexOf('/') + 1)}`);
  await expect(page).toHaveURL(new RegExp(`#tasks/${key}$`));
});

test('the drawer gives the focus back where it came from', async ({ page }) => {
  await page.goto('./#realtime?state=failed');
  const rows = page.locator('#tasks [data-task]');
  const key = (await rows.first().getAttribute('data-task')) ?? '';
  const row = page.locator(`#tasks [data-task="${key}"] a`);
  await row.focus();
  await page.keyboard.press('Enter');
  const drawer = page.getByRole('dialog');
  await expect(drawer).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(drawer).toBeHidden();
  await expect(row).toBeFocused();
});

test('the drawer leads to the page', async ({ page }) => {
  await page.goto(`./#realtime?task=${await first(page.request, 'state=failed')}`);
  const drawer = page.getByRole('dialog');
  await drawer.getByRole('link', { name: 'Open page' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await expect(drawer).toBeHidden();
});
