// The other end of a channel: does what the Go end asks for. Started with "parent" it starts that end itself.
const fs = require('fs');
const net = require('net');
const dgram = require('dgram');

let port = process;
if (process.argv[2] === 'parent') {
  const [program, serialization, ...args] = process.argv.slice(3);
  port = require('child_process').spawn(program, args, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'], serialization });
  port.on('exit', (code) => process.exit(code === null ? 1 : code));
} else {
  process.on('disconnect', () => process.exit(0));
}

const hear = (s) => s.on('message', (d, from) => s.send(`re:${d}`, from.port, from.address));

const take = {
  'net.Server': (h) => h.on('connection', (c) => c.end('served')),
  'net.Socket': (h) => h.end('served'),
  'net.Native': (h) => new net.Socket({ handle: h }).end('served'),
  'net.BoundSocket': (h) => net.createServer((c) => c.end('served')).listen(h),
  'dgram.Socket': hear,
  'dgram.Native': (h) => hear(dgram.createSocket('udp4').bind({ fd: h.fd })),
};

const give = {
  'net.Server': (m, send) => {
    const { path } = m.at;
    const s = net.createServer().listen(path || { port: 0, host: '127.0.0.1' }, () => {
      if (path) fs.renameSync(path, `${path}.kept`); // closing removes it
      send(s, () => s.close());
    });
  },
  'net.Socket': (m, send) => {
    const c = net.connect(m.at, () => send(c));
  },
  'net.Native': (m, send) => {
    const c = net.connect(m.at, () => send(c._handle, () => c.destroy()));
  },
  'net.BoundSocket': (m, send) => send(new net.BoundSocket({ host: '127.0.0.1', port: 0 })),
  'dgram.Socket': (m, send) => {
    const s = dgram.createSocket(m.udp).bind(0, m.at.host, () => send(s, () => s.close()));
  },
  'dgram.Native': (m, send) => {
    const s = dgram.createSocket(m.udp).bind(0, m.at.host, () => {
      const state = s[Object.getOwnPropertySymbols(s).find((x) => String(x).includes('state'))];
      send(state.handle, () => s.close());
    });
  },
};

port.on('message', (m, h) => {
  const fail = (err) => port.send({ fail: String(err) });
  try {
    if (m && m.take) {
      if (!h) return fail('no handle came');
      take[m.take](h, m);
      port.send({ took: m.take });
    } else if (m && m.give) {
      give[m.give](m, (handle, then) => port.send({ gave: m.give }, handle, then));
    } else {
      port.send({ echo: m });
    }
  } catch (err) {
    fail(err);
  }
});
