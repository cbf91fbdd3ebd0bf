// A page with the stock socket.io-client, without a browser: node socketio_page.mjs <folder of socket.io-client> <url> <options> <script>
// The script has `io` (whose address is <url>), `render` and `told(name, data)`. Every line of JSON on stdin, [event, ...arguments], is
// emitted, with an acknowledgement callback. What happens is told as JSON, a line each.
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';

const [folder, url, options, script] = process.argv.slice(2);
const client = createRequire(`${folder}/`)('socket.io-client');
const told = (name, data = null) => process.stdout.write(`${JSON.stringify([name, data, Date.now() / 1000])}\n`);
const io = () => client.io(url, JSON.parse(options));
const render = (data) => told('rendered', data);

const socket = new Function('io', 'render', 'told', `let socket;\n${script}\nreturn socket;`)(io, render, told);
socket.on('connect', () => told('connect', socket.io.engine.transport.name));
socket.on('disconnect', (reason) => told('disconnect', reason));
socket.on('connect_error', (error) => told('connect_error', { message: error.message, data: error.data ?? null }));
for (const event of ['connected', 'joined_room', 'resync', 'error']) socket.on(event, (data) => told(event, data));
socket.io.on('open', () => socket.io.engine.on('upgrade', (transport) => told('upgrade', transport.name)));

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [event, ...data] = JSON.parse(line);
    if (event === 'close') socket.close();
    else socket.emit(event, ...data, (answer) => told('answer', answer));
  })
  .on('close', () => process.exit());
