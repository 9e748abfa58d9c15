// The multi-process guard: the master holds the port, gives each worker the
// listening socket, and recreates workers that die. A worker that announces its
// end gets its successor first. SIGINT, SIGQUIT and SIGTERM end the workers,
// then the master.
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { fork } = require('node:child_process');

// Who has the listening socket also hears connections; the master passes its
// share on, each socket to the next worker.
const server = net.createServer({ pauseOnConnect: true }, (socket) => {
  const [pid, worker] = [...workers].find(([, w]) => w.connected && !w.announced) ?? [];
  if (!worker) return socket.destroy();
  workers.delete(pid);
  workers.set(pid, worker); // to the end of the line
  // Sent is sent: with our copy closed, a worker that dies now leaves no client hanging.
  worker.send('connection', socket, { keepOpen: true }, () => socket.destroy());
});
const workers = new Map(); // pid → child
let leaving = false;
const lives = []; // start times: more than ten in a minute and we give up

function spawnWorker() {
  const now = Date.now();
  while (lives.length && now - lives[0] > 60_000) lives.shift();
  if (lives.push(now) > 10 + workerCount) {
    console.log('master: too many deaths');
    return end('SIGTERM');
  }
  const worker = fork(path.join(__dirname, 'worker.js'));
  worker.on('message', (m) => {
    if (m && m.act === 'suicide' && !leaving) {
      console.log(`master: ${worker.pid} announced its end`);
      worker.announced = true;
      spawnWorker();
    }
  });
  worker.on('exit', (code, signal) => {
    console.log(`master: ${worker.pid} exited: code ${code}, signal ${signal}`);
    workers.delete(worker.pid);
    if (leaving) return workers.size === 0 && process.exit(0);
    if (!worker.announced) spawnWorker();
  });
  worker.send('server', server);
  workers.set(worker.pid, worker);
  console.log(`master: created ${worker.pid}`);
}

function end(signal) {
  if (leaving) return;
  leaving = true;
  console.log(`master: ${signal}`);
  server.close();
  for (const worker of workers.values()) worker.kill('SIGTERM');
  if (workers.size === 0) process.exit(0);
}
for (const signal of ['SIGINT', 'SIGQUIT', 'SIGTERM']) process.on(signal, end);

const workerCount = Number(process.env.WORKERS || os.cpus().length);
server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`listening ${server.address().port}`);
  for (let i = 0; i < workerCount; i++) spawnWorker();
});
