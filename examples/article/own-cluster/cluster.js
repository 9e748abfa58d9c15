// A program that is its own cluster primary. Under tend in fork mode it has a
// channel to tend, and yet its workers are its own.
const cluster = require('node:cluster');
const http = require('node:http');

if (cluster.isPrimary) {
  cluster.fork();
  cluster.fork();
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
} else {
  http.createServer((req, res) => res.end(`worker ${cluster.worker.id} pid ${process.pid} of ${process.ppid}\n`))
    .listen(Number(process.env.PORT), '127.0.0.1');
}
