/** The realtime page, as its tests see it. */
import type { Locator, Page } from '@playwright/test';

export class RealtimePage {
  readonly #page: Page;
  readonly rows: Locator;
  readonly status: Locator;
  readonly details: Locator;
  /** Shows the rows that came while the table was held. */
  readonly fresh: Locator;

  constructor(page: Page) {
    this.#page = page;
    this.rows = page.locator('#tasks [data-task]');
    this.status = page.getByRole('banner').getByRole('status');
    this.details = page.getByRole('dialog');
    this.fresh = page.getByRole('button', { name: /\d+ new/ });
  }

  /** @param base where Taskscope is, if not where the configuration says. */
  async goto(query = '', base = './'): Promise<void> {
    await this.#page.goto(`${base}#realtime${query}`);
  }

  /** And wait for rows: all of them, since those beyond the first screen come a few each frame. */
  async open(query = '', base = './'): Promise<void> {
    await this.goto(query, base);
    await this.rows.first().waitFor();
    await this.#page.locator('#tasks [aria-busy=false]').waitFor();
  }

  keys(): Promise<(string | null)[]> {
    return this.rows.evaluateAll((rows) => rows.map((row) => row.getAttribute('data-task')));
  }

  states(): Promise<string[]> {
    return this.rows.locator('.state').allTextContents();
  }

  /** Percent of each row that has a progress bar. */
  async progress(): Promise<Map<string, number>> {
    const found = await this.rows.evaluateAll((rows) =>
      rows.map((row) => [
        row.getAttribute('data-task') ?? '',
        Number(row.querySelector('[role=progressbar]')?.getAttribute('aria-valuenow') ?? NaN),
      ]),
    );
    return new Map((found as [string, number][]).filter(([, percent]) => !Number.isNaN(percent)));
  }
}
