// A Node parent of a Go child: node parent.js BINARY json|advanced. Prints what it sees as lines of JSON.
const { spawn } = require('child_process');
const net = require('net');
const dgram = require('dgram');

const [, , binary, serialization] = process.argv;
const say = (o) => console.log(JSON.stringify(o));
const child = spawn(binary, ['arg'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization });
child.on('disconnect', () => say('disconnect'));
child.on('exit', (code) => say({ exit: code }));
child.on('close', () => { say('close'); process.exit(0); });

let client;
const steps = [
  () => child.send({ 'é': [1, null, '€'] }),
  () => child.send('x'.repeat(1 << 20)),
  () => {
    const s = net.createServer().listen(0, '127.0.0.1', () => child.send('server', s, () => s.close()));
  },
  () => {
    const s = net.createServer({ pauseOnConnect: true }, (c) => {
      child.send('socket', c, () => s.getConnections((err, n) => { say({ open: n }); s.close(() => say('all closed')); }));
    }).listen(0, '127.0.0.1', () => { client = net.connect(s.address().port, '127.0.0.1').on('data', (d) => say({ client: String(d) })).on('end', () => {}); });
  },
  () => {
    const s = dgram.createSocket('udp4').bind(0, '127.0.0.1', () => child.send('udp', s, () => s.close()));
  },
  () => child.send('bye'),
];
child.on('message', (m, h) => {
  if (h) {
    say({ got: m, handle: h.constructor.name });
    h.close ? h.close() : h.destroy();
    return;
  }
  say(m);
  if (m.next) steps.shift()();
});
