/** A real Taskscope of a test's own, which the test may break: tests/support/page_world.py of the repository. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const TESTS = fileURLToPath(new URL('../../../../tests/', import.meta.url));
const OWN = fileURLToPath(new URL('../../../../.venv/bin/python', import.meta.url));

interface Said {
  url?: string;
  token?: string | null;
  narrow?: string | null;
  failed?: string;
  why?: string;
}

export class World {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  url = '';
  token = '';
  /** Sees the source `media` alone. */
  narrow = '';

  constructor(options: string[]) {
    const python = process.env.TASKSCOPE_PYTHON ?? (existsSync(OWN) ? OWN : 'python3');
    const child = spawn(python, ['-m', 'support.page_world', ...options], {
      cwd: TESTS,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#process = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  async start(): Promise<this> {
    const said = await this.#said();
    this.url = said.url ?? '';
    this.token = said.token ?? '';
    this.narrow = said.narrow ?? '';
    return this;
  }

  /** One of the commands of page_world.py; resolves when it is done. */
  async do(command: string): Promise<void> {
    this.#process.stdin?.write(`${command}\n`);
    const said = await this.#said();
    if (said.failed !== undefined) throw new Error(`${said.failed}: ${said.why ?? ''}`);
  }

  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.stdin?.end();
    if (this.#process.exitCode === null) await ended;
  }

  async #said(): Promise<Said> {
    const line = await this.#lines.next();
    if (line.done === true) throw new Error('the world of this test ended');
    return JSON.parse(line.value) as Said;
  }
}
