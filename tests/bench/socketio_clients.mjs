// So many pages of the archive's kind in one process: node socketio_clients.mjs <folder of socket.io-client> <url> <clients>
// Says "joined" when all of them have a snapshot, and at SIGTERM, as JSON, how many snapshots came meanwhile and which transports they have.
import { createRequire } from 'node:module';

const [folder, url, clients] = process.argv.slice(2);
const { io } = createRequire(`${folder}/`)('socket.io-client');
let snapshots = 0;
let waiting = Number(clients);
let disconnected = 0;
const sockets = [];

for (let number = 0; number < Number(clients); number++) {
  const socket = io(url, { forceNew: true });
  let first = true;
  socket.on('connect', () => socket.emit('join_task_monitoring'));
  socket.on('disconnect', () => disconnected++);
  socket.on('task_updates', () => {
    snapshots++;
    if (first && --waiting === 0) process.stdout.write('joined\n');
    first = false;
  });
  sockets.push(socket);
}

process.on('SIGTERM', () => {
  const transports = {};
  for (const socket of sockets) {
    const name = socket.io.engine?.transport.name ?? 'none';
    transports[name] = (transports[name] ?? 0) + 1;
  }
  process.stdout.write(`${JSON.stringify({ snapshots, disconnected, transports })}\n`);
  process.exit(0);
});
