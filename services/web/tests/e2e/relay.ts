/** Stands between the browser and a real api, passes everything on below a path, and can be cut. */
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

export class Relay {
  /** Below which path the api is found: what comes is passed on without it. */
  readonly #prefix: string;
  readonly #target: URL;
  readonly #server: Server;
  readonly #upgraded = new Set<Duplex>();
  /** What is refused: the paths below it, without a slash at their beginning. */
  #refused: string | null = null;

  constructor(target: string, prefix = '/') {
    this.#prefix = prefix;
    this.#target = new URL(target);
    this.#server = createServer((incoming, answer) => {
      this.#pass(incoming, answer);
    });
    this.#server.on('upgrade', (incoming, socket, head) => {
      this.#tunnel(incoming, socket, head);
    });
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${this.#prefix}`;
  }

  /** End what is open, and refuse what is below `path` (everything) until `mend`. */
  cut(path = ''): void {
    this.#refused = path;
    for (const socket of this.#upgraded) socket.destroy();
    this.#server.closeAllConnections();
  }

  mend(): void {
    this.#refused = null;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** The path of the api that is asked for, or null: it is refused. */
  #path(incoming: IncomingMessage): string | null {
    const path = incoming.url ?? '/';
    if (!path.startsWith(this.#prefix)) return null;
    const rest = path.slice(this.#prefix.length);
    return this.#refused !== null && rest.startsWith(this.#refused) ? null : `/${rest}`;
  }

  #pass(incoming: IncomingMessage, answer: ServerResponse): void {
    const path = this.#path(incoming);
    if (path === null) {
      incoming.socket.destroy();
      return;
    }
    const { hostname, port } = this.#target;
    const { method, headers } = incoming;
    const passed = request({ hostname, port, path, method, headers }, (answered) => {
      answer.writeHead(answered.statusCode ?? 502, answered.headers);
      answered.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    incoming.pipe(passed);
  }

  #tunnel(incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
    const path = this.#path(incoming);
    if (path === null) {
      socket.destroy();
      return;
    }
    const there = connect(Number(this.#target.port), this.#target.hostname);
    const headers = pairs(incoming.rawHeaders).map(([name, value]) => `${name}: ${value}\r\n`);
    there.write(`${incoming.method ?? 'GET'} ${path} HTTP/1.1\r\n${headers.join('')}\r\n`);
    there.write(head);
    this.#join(socket, there);
    this.#join(there, socket);
  }

  #join(from: Duplex, to: Duplex): void {
    this.#upgraded.add(from);
    from.pipe(to);
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#upgraded.delete(from);
      to.destroy();
    });
  }
}

function pairs(flat: string[]): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_, index) => [
    flat[2 * index] ?? '',
    flat[2 * index + 1] ?? '',
  ]);
}
