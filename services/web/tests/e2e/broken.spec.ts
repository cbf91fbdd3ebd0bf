/** What the pages say while something is broken, and that they take it back. */
import { expect, test } from './test';

/** The source asks again in growing intervals. */
const BACK = { timeout: 45_000 };

test('a broker that stops is told on each page, with what to do, until it is there again', async ({
  page,
  startWorld,
}) => {
  const world = await startWorld();
  const verdict = page.getByRole('region', { name: 'What needs attention' });
  const notices = page.getByRole('region', { name: 'Notices' });
  await world.do('work');
  await page.goto(world.url);
  await expect(verdict).toContainText('Nothing needs attention');

  await test.step('the overview names it, and leads to its source', async () => {
    await world.do('stop broker');
    await expect(verdict).toContainText('Source media is down');
    await verdict.getByRole('link', { name: /Source media is down/ }).click();
    await expect(page).toHaveURL(/#sources\/media$/);
  });

  await test.step('the source says why, and what to do', async () => {
    const main = page.getByRole('main');
    await expect(notices).toContainText('media is down.');
    await expect(main).toContainText(/connection refused/i);
    await expect(main).toContainText('Nothing listens at that address.');
    await expect(main).toContainText('taskscope check --config taskscope.yaml');
  });

  await test.step('it is there again: nothing is left of it', async () => {
    await world.do('start broker');
    await expect(notices).not.toContainText('media', BACK);
    await page.goto(`${world.url}#sources`);
    await expect(page.getByRole('main')).toContainText('1 source is watched, all are up');
    await page.goto(world.url);
    await expect(verdict).toBeVisible();
    await expect(verdict).not.toContainText('is down');
  });
});

test('a worker that is killed is said to be lost, wherever it is looked for', async ({
  page,
  startWorld,
}) => {
  const world = await startWorld();
  await world.do('work');
  await page.goto(`${world.url}#workers`);
  const row = page.getByRole('row', { name: /media-worker/ });
  await expect(row).toContainText('Online');
  await world.do('kill');
  await expect(row).toContainText('Lost', BACK);
  await row.getByRole('link', { name: 'media-worker' }).click();
  await expect(page.getByRole('main')).toContainText('Lost');
  await page.goto(`${world.url}#queues`);
  await world.do('enqueue 2');
  await expect(page.getByRole('row', { name: /default/ })).toContainText('nobody');
  await page.goto(world.url);
  const verdict = page.getByRole('region', { name: 'What needs attention' });
  await expect(verdict).toContainText('Worker media-worker is lost');
});
