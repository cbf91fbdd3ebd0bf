/** What the page says when there is nothing to show, or what there was cannot be reached. */
import { RealtimePage } from './realtime-page';
import { expect, test } from './test';

test('without sources it tells how to add one', async ({ page, startWorld }) => {
  const world = await startWorld('--no-sources');
  await page.goto(`${world.url}#realtime`);
  await page.getByText('taskscope up --celery redis://').waitFor();
});

test('a source listens, goes down, comes back, and is seen to be behind', async ({ page, startWorld }) => {
  const world = await startWorld();
  const live = new RealtimePage(page);
  await live.goto('', world.url);

  await test.step('no task yet, then the first ones', async () => {
    await page.getByText('Listening. No task has been seen yet.').waitFor();
    await world.do('enqueue 3');
    await expect(live.rows).toHaveCount(3);
  });

  await test.step('its broker dies: what was seen stays, with the reason', async () => {
    await world.do('stop broker');
    const said = page.getByText('media is down.');
    await said.waitFor();
    await page
      .getByText(/connection refused at .*: is the server running/i)
      .first()
      .waitFor();
    await expect(live.rows).toHaveCount(3);
    await world.do('start broker');
    await said.waitFor({ state: 'detached', timeout: 30_000 });
  });

  await test.step("Taskscope's own Redis dies: the figures are not current", async () => {
    await world.do('stop own');
    await expect(live.status).toHaveText('Stale');
    await page.getByText('These figures are not current.').waitFor();
    await world.do('start own');
    await expect(live.status).toHaveText('Live', { timeout: 30_000 });
  });
});
