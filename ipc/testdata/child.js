// A Node child: echoes messages, uses handles that it gets, makes handles on request.
const net = require('net');
const dgram = require('dgram');

const give = {
  server: () => {
    const s = net.createServer().listen(0, '127.0.0.1', () => process.send('server', s));
  },
  socket: () => {
    const s = net.createServer({ pauseOnConnect: true }, (c) => {
      process.send('socket', c);
      s.close();
    }).listen(0, '127.0.0.1', () => net.connect(s.address().port, '127.0.0.1', function () {
      this.on('data', (d) => process.send({ client: String(d) }));
    }));
  },
  udp: () => {
    const s = dgram.createSocket('udp4').bind(0, '127.0.0.1', () => process.send('udp', s));
  },
};

function take(m, h) {
  if (h instanceof net.Server) {
    h.on('connection', (c) => c.end('served'));
    process.send({ took: 'server', port: h.address().port });
  } else if (h instanceof net.Socket) {
    h.end('hello');
    process.send({ took: 'socket' });
  } else {
    h.on('message', (d, from) => h.send('re:' + d, from.port, from.address));
    process.send({ took: 'udp' });
  }
}

process.on('message', (m, h) => {
  if (h) take(m, h);
  else if (m && m.give) give[m.give]();
  else if (m && m.count) process.send({ length: m.count.length });
  else if (m === 'bye') process.disconnect(), setTimeout(() => process.exit(0), 20);
  else process.send({ echo: m });
});
process.send('up');
