// An ordinary server of each kind; nothing in it knows of a cluster.
const fs = require('fs'), http = require('http'), https = require('https'), http2 = require('http2'), net = require('net'), dgram = require('dgram');
const port = +(process.env.PORT || 0), host = process.env.HOST || undefined, pid = `${process.pid}`;
const tls = () => ({ key: fs.readFileSync(process.env.KEY), cert: fs.readFileSync(process.env.CERT) });
const answer = (req, res) => {
  if (req.url === '/crash') throw new Error('crash');
  res.setHeader('Connection', 'close');
  res.end(pid);
};
const say = (what) => process.send && process.send(what);
const up = (server) => {
  server.on('error', (e) => { say({ error: e.code, errno: e.errno }); });
  server.on('listening', () => say({ listening: server.address() }));
  return server;
};
const kinds = {
  http: () => up(http.createServer(answer)).listen(port, host),
  https: () => up(https.createServer(tls(), answer)).listen(port, host),
  http2: () => up(http2.createServer((req, res) => res.end(pid))).listen(port, host),
  net: () => up(net.createServer((c) => { c.on('error', () => {}); c.end(pid); })).listen(port, host),
  unix: () => up(net.createServer((c) => { c.on('error', () => {}); c.end(pid); })).listen(process.env.UPATH),
  dgram: () => { const d = up(dgram.createSocket('udp4')); d.on('message', (b, r) => d.send(pid, r.port, r.address)); d.bind(port, '127.0.0.1'); },
  twozero: () => { kinds.net(); kinds.net(); },
  twosame: () => { kinds.net(); kinds.net(); },
  maxconn: () => { const s = up(net.createServer((c) => { c.on('error', () => {}); c.write(pid); })); s.maxConnections = 1; s.listen(port, host); },
  relisten: () => {
    const s = up(net.createServer((c) => { c.on('error', () => {}); c.end(pid); }));
    const again = () => s.listen(port, host, () => setTimeout(() => s.close(again), 100));
    again();
  },
  leave: () => { kinds.net(); process.on('message', () => require('cluster').worker.disconnect()); },
  kill: () => { kinds.net(); process.on('message', () => require('cluster').worker.kill()); },
  echo: () => { kinds.net(); process.on('message', (m) => process.send({ echo: m })); },
};
kinds[process.env.KIND]();
