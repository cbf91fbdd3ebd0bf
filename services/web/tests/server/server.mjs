// TEST ONLY. Serves the built page below a prefix, with a strict policy, and an imitation of the api.
//   node tests/server/server.mjs [--port 5099] [--prefix /] [--mode busy|quiet|empty|degraded] [--rate 8]
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { WebSocketServer } from 'ws';
import { Client, summary } from './hub.mjs';
import { World } from './world.mjs';

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

/** @returns a running server: `world` may be changed, `close()` ends it. */
export async function serve({ port = 0, prefix = '/', mode = 'busy', rate = 3, modes } = {}) {
  const world = new World(mode);
  world.modes = modes;
  const clients = new Set();
  const server = createServer((request, response) => {
    answer(world, prefix, request, response).catch(() => problem(response, 500, 'Broken'));
  });
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  server.on('upgrade', (request, socket, head) => {
    const shut = world.modes !== undefined && !world.signedIn;
    if (request.url !== `${prefix}api/ws` || world.refuse || shut) return socket.destroy();
    sockets.handleUpgrade(request, socket, head, (accepted) => {
      const client = new Client(world, accepted);
      clients.add(client);
      accepted.on('close', () => clients.delete(client));
    });
  });
  const timer = setInterval(() => {
    if (world.frozen) return;
    for (let index = 0; index < rate; index += 1) world.step();
    for (const client of clients) client.delta();
  }, 250);
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const cut = () => sockets.clients.forEach((socket) => socket.terminate());
  const close = () => {
    clearInterval(timer);
    cut();
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { world, cut, close, url: `http://127.0.0.1:${server.address().port}${prefix}` };
}

async function answer(world, prefix, request, response) {
  const path = new URL(request.url, 'http://x').pathname;
  if (!path.startsWith(prefix)) return problem(response, 404, 'Not below the prefix');
  const rest = path.slice(prefix.length);
  if (!rest.startsWith('api/')) return file(rest === '' ? 'index.html' : rest, response);
  if (world.refuse) return request.socket.destroy();
  if (rest === 'api/session') return session(world, request, response);
  if (world.modes !== undefined && !world.signedIn) return problem(response, 401, 'Unauthenticated');
  if (rest === 'api/kinds') return json(response, { items: kinds(world), next_cursor: null, total: 4 });
  const key = rest.slice('api/tasks/'.length).split('/').map(decodeURIComponent).join('/');
  const task = world.tasks.get(key);
  return task === undefined ? problem(response, 404, 'No such task') : json(response, task);
}

/** As the api's: `world.modes` undefined is mode none; the token is always `ts_right`. */
async function session(world, request, response) {
  if (request.method === 'POST') {
    let body = '';
    for await (const chunk of request) body += chunk;
    if (JSON.parse(body).token !== 'ts_right') return problem(response, 401, 'This token is not known');
    world.signedIn = true;
  }
  if (request.method === 'DELETE') world.signedIn = false;
  const authenticated = world.modes === undefined || world.signedIn === true;
  const who = authenticated ? { name: 'ada', role: 'viewer' } : { name: null, role: null };
  json(response, { authenticated, ...who, sources: null, expires_at: null, modes: world.modes ?? ['none'] });
}

function kinds(world) {
  const counts = summary(world, {}).by_kind;
  return ['vod', 'transcription', 'cleanup', 'other'].map((name) => ({ name, ...counts[name] }));
}

function json(response, body, status = 200, type = 'application/json') {
  response.writeHead(status, { 'content-type': type });
  response.end(JSON.stringify(body));
}

function problem(response, status, title) {
  json(response, { type: 'about:blank', title, status, detail: null }, status, 'application/problem+json');
}

async function file(path, response) {
  try {
    const body = await readFile(join(DIST, normalize(path)));
    const policy = "default-src 'self'; object-src 'none'; base-uri 'self'; frame-ancestors 'none'";
    response.writeHead(200, {
      'content-type': TYPES[extname(path)] ?? 'text/plain',
      'content-security-policy': policy,
    });
    response.end(body);
  } catch {
    problem(response, 404, 'No such file');
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const option = (fallback) => ({ type: 'string', default: fallback });
  const { values } = parseArgs({
    options: { port: option('5099'), prefix: option('/'), mode: option('busy'), rate: option('3') },
  });
  const server = await serve({ ...values, port: Number(values.port), rate: Number(values.rate) });
  console.log(server.url);
}
