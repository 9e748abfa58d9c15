// A worker of the guard: serves on the socket that its master sends. After an
// uncaught exception it announces its end, so that its successor is started,
// stops accepting, finishes what it has, and leaves.
const http = require('node:http');

let listening;
let leaving = false;
const server = http.createServer((req, res) => {
  if (req.url === '/crash') {
    res.end(`pid ${process.pid} will crash\n`);
    setImmediate(() => { throw new Error('as asked'); });
    return;
  }
  res.end(`pid ${process.pid}\n`);
});

process.on('message', (m, handle) => {
  if (m === 'connection') return handle && server.emit('connection', handle.resume());
  if (m !== 'server') return;
  listening = handle;
  handle.on('connection', (socket) => server.emit('connection', socket));
});

process.once('uncaughtException', (err) => {
  console.error(`worker ${process.pid}: ${err.message}`);
  process.send({ act: 'suicide' });
  leave(1);
});
process.on('SIGTERM', () => leave(0));
process.on('SIGINT', () => {}); // Ctrl-C goes to the master, which ends us in order
process.once('disconnect', () => leave(0)); // the master is gone

function leave(code) {
  if (leaving) return;
  leaving = true;
  if (!listening) process.exit(code);
  listening.close(() => process.exit(code)); // the connections it gave out have ended
  server.closeIdleConnections();
  setTimeout(() => process.exit(code), 5000).unref();
}
