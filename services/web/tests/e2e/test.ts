/** Playwright's `test`, with what holds on every page: no error in the console, nothing the policy refuses, nothing from elsewhere. */
import { test as base, expect, type Page } from '@playwright/test';
import { Relay } from './relay';
import { World } from './world';

export { expect, type Page };

/** What went wrong on the page, but for what the test says it brings about. */
export class Problems {
  readonly #seen: string[] = [];
  /** Another program on this machine started or ended a network: nothing that the page could do. */
  readonly #expected: RegExp[] = [/net::ERR_NETWORK_CHANGED/];

  expect(...patterns: RegExp[]): void {
    this.#expected.push(...patterns);
  }

  get left(): string[] {
    return this.#seen.filter((text) => !this.#expected.some((pattern) => pattern.test(text)));
  }

  async watch(page: Page): Promise<void> {
    page.on('pageerror', (error) => this.#seen.push(`exception: ${String(error)}`));
    page.on('console', (message) => {
      if (message.type() === 'error') this.#seen.push(`console: ${message.text()}`);
    });
    await page.exposeFunction('toldByPolicy', (text: string) => this.#seen.push(`policy: ${text}`));
    await page.addInitScript(tellOfPolicy);
    this.#watchOrigins(page);
  }

  #watchOrigins(page: Page): void {
    let home = '';
    const asked = (url: string): void => {
      if (new URL(url).host !== home) this.#seen.push(`elsewhere: ${url}`);
    };
    page.on('request', (request) => {
      const isOwn = request.isNavigationRequest() && request.frame() === page.mainFrame();
      if (isOwn) home = new URL(request.url()).host;
      else asked(request.url());
    });
    page.on('websocket', (socket) => {
      asked(socket.url());
    });
  }
}

function tellOfPolicy(): void {
  addEventListener('securitypolicyviolation', (event) => {
    const { toldByPolicy } = globalThis as unknown as { toldByPolicy: (text: string) => void };
    toldByPolicy(`${event.violatedDirective} refuses ${event.blockedURI}`);
  });
}

/** What the browser itself says about a connection that a test cuts. */
export const CUT = /WebSocket connection to|net::ERR_|status of 50\d/;

interface Fixtures {
  problems: Problems;
  /** Below a path, between the page and the demo. */
  relay: Relay;
  /** Starts a Taskscope of the test's own, with options of page_world.py; it ends with the test. */
  startWorld: (...options: string[]) => Promise<World>;
}

export const test = base.extend<Fixtures>({
  problems: async ({}, use) => {
    const problems = new Problems();
    await use(problems);
    expect(problems.left).toEqual([]);
  },
  // It is closed before what it talks to ends, which would be a problem that no test means.
  page: async ({ page, problems, relay: _relay, startWorld: _startWorld }, use) => {
    await problems.watch(page);
    await use(page);
    await page.close();
  },
  relay: async ({ baseURL }, use) => {
    const relay = await new Relay(baseURL ?? '', '/some/where/').start();
    await use(relay);
    await relay.close();
  },
  startWorld: async ({}, use, info) => {
    const worlds: World[] = [];
    await use((...options) => {
      info.slow(); // several servers start
      const world = new World(options);
      worlds.push(world);
      return world.start();
    });
    await Promise.all(worlds.map((world) => world.end()));
  },
});
