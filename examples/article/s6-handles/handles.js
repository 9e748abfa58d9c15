// What both ends do, parent.js and child.js: take a socket that came with a
// message and answer on it, or make one, send it and be its client.
const net = require('node:net');
const dgram = require('node:dgram');
const os = require('node:os');
const path = require('node:path');

exports.kinds = ['net.Server', 'net.Socket', 'pipe', 'dgram.Socket', 'net.Native'];

// take answers "from node" on what came.
exports.take = function take({ kind }, handle) {
  if (!handle) throw new Error(`${kind} came without a handle`);
  switch (kind) {
    case 'net.Server': // a listening socket: the next client is ours
      handle.on('connection', (socket) => { socket.end('from node'); handle.close(); });
      return;
    case 'net.Socket': // a connection, over TCP or a Unix socket
    case 'pipe':
      handle.end('from node');
      return;
    case 'net.Native': // the same without the object around it
      new net.Socket({ handle, readable: true, writable: true }).end('from node');
      return;
    case 'dgram.Socket':
      handle.on('message', (text, from) => handle.send('from node', from.port, from.address, () => handle.close()));
  }
};

// give makes one, sends it to peer, and calls back with what the client read.
exports.give = function give(peer, kind, done) {
  switch (kind) {
    case 'net.Server': {
      const server = net.createServer();
      server.listen(0, '127.0.0.1', () => {
        const { port } = server.address();
        peer.send({ kind }, server, () => {
          server.close(); // our copy; the peer has its own
          read(net.connect(port, '127.0.0.1'), done);
        });
      });
      return;
    }
    case 'dgram.Socket': {
      const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1', () => {
        const { port } = socket.address();
        peer.send({ kind }, socket, () => {
          socket.close();
          const client = dgram.createSocket('udp4');
          client.on('message', (text) => { client.close(); done(String(text)); });
          client.send('hello', port, '127.0.0.1');
        });
      });
      return;
    }
    default: { // a connection that one of our servers accepted
      const server = net.createServer({ pauseOnConnect: true }, (socket) => {
        server.close();
        if (kind === 'net.Native') peer.send({ kind }, socket._handle, () => socket.destroy());
        else peer.send({ kind }, socket);
      });
      const where = kind === 'pipe' ? { path: path.join(os.tmpdir(), `article-${process.pid}.sock`) } : { port: 0, host: '127.0.0.1' };
      server.listen(where, () => {
        const address = server.address();
        read(net.connect(typeof address === 'string' ? { path: address } : { port: address.port, host: '127.0.0.1' }), done);
      });
    }
  }
};

function read(socket, done) {
  let text = '';
  socket.setEncoding('utf8').on('data', (s) => { text += s; }).on('end', () => done(text));
  socket.on('error', (err) => done(err.code));
}
