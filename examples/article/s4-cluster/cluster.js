// Hello cluster: the primary forks one worker per CPU (or WORKERS), all serve
// one port, and a worker that dies is told of and replaced.
const cluster = require('node:cluster');
const http = require('node:http');
const os = require('node:os');

if (cluster.isPrimary) {
  const workers = Number(process.env.WORKERS || os.cpus().length);
  for (let i = 0; i < workers; i++) cluster.fork();
  cluster.on('listening', (worker, { port }) => console.log(`worker ${worker.id} listening ${port}`));
  cluster.on('exit', (worker, code, signal) => {
    console.log(`worker ${worker.id} died: code ${code}, signal ${signal}`);
    cluster.fork();
  });
} else {
  http.createServer((req, res) => res.end(`worker ${cluster.worker.id} pid ${process.pid}\n`))
    .listen(Number(process.env.PORT || 0), '127.0.0.1');
}
