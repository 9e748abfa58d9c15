// A server that keeps connections, of the kind KIND; nothing in it knows that it may have to leave.
const fs = require('fs'), http = require('http'), https = require('https'), http2 = require('http2');
const tls = () => ({ key: fs.readFileSync(process.env.KEY), cert: fs.readFileSync(process.env.CERT) });
const answer = (req, res) => setTimeout(() => res.end(`${process.pid}`), 2);
const kinds = {
  http: () => http.createServer(answer),
  https: () => https.createServer(tls(), answer),
  https2: () => http2.createSecureServer(tls(), answer),
  upgrade: () => http.createServer(answer).on('upgrade', (req, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    socket.on('error', () => {}).on('data', (d) => socket.write(d)).on('end', () => socket.end());
    socket[Symbol('websocket')] = { close: (code) => socket.end(`closed ${code}\n`) }; // as the package ws keeps it
  }),
};
kinds.hangs = () => http.createServer((req, res) => {
  res.end('x', () => { if (req.url === '/hang') for (;;); });
});
// What the worker says to its primary of handles, and of connections.
kinds.counts = () => {
  const send = process._send, said = { handles: 0, connections: 0 };
  process._send = function (message, ...rest) {
    if (message.cmd === 'NODE_HANDLE_ACK') said.handles++;
    if ('accepted' in message) said.connections++;
    return send.call(this, message, ...rest);
  };
  return http.createServer((req, res) => res.end(JSON.stringify(said)));
};
// Has the primary lend it a socket for each request, and says when that was the last.
kinds.binds = () => http.createServer((req, res) => {
  const socket = require('dgram').createSocket('udp4');
  const end = () => { res.end(); if (--kinds.left === 0) process.send('the last'); };
  socket.bind(0, '127.0.0.1', () => setImmediate(() => socket.close(end)));
});
// Keeps Node from saying more than that it listens.
kinds.mute = () => http.createServer(answer).on('listening', () => setImmediate(() => { process.send = () => true; }));
// Says whether a connection came to it by way of Node's events, and sets what its path asks for.
kinds.ways = () => {
  Error.stackTraceLimit = 100;
  const hears = () => {}, { send, emit } = process;
  const server = http.createServer((req, res) => {
    const asks = (what) => req.url === '/' + what;
    server.maxConnections = asks('limit') ? 1000 : undefined;
    process.send = asks('send') ? (...args) => send.apply(process, args) : send;
    process.emit = asks('emit') ? (...args) => emit.apply(process, args) : emit;
    if (asks('listener')) process.on('internalMessage', hears);
    else process.off('internalMessage', hears);
    res.end(req.socket.stack.includes('onInternalMessage') ? 'by Node' : 'at once');
  });
  if (process.env.LISTENS) process.on('internalMessage', () => {});
  return server.on('connection', (socket) => { socket.stack = new Error().stack; });
};
// Leaves something in the async context of each connection, and says what it found there.
kinds.contexts = () => {
  const { AsyncLocalStorage, executionAsyncId } = require('async_hooks');
  const store = new AsyncLocalStorage(), ids = new Set();
  let found = 0;
  const server = http.createServer((req, res) => res.end(JSON.stringify({ found, contexts: ids.size })));
  return server.on('connection', () => {
    if (store.getStore()) found++;
    store.enterWith('mine');
    ids.add(executionAsyncId());
  });
};
// Opens and closes ten servers, and says how many of them are garbage then.
kinds.forgets = () => {
  require('v8').setFlagsFromString('--expose-gc');
  const collect = require('vm').runInNewContext('gc');
  let opened = 0, gone = 0;
  const registry = new FinalizationRegistry(() => gone++);
  const open = (then) => {
    if (opened++ === 10) return then();
    const server = http.createServer();
    registry.register(server);
    server.listen(0, '127.0.0.1', () => server.close(() => open(then)));
  };
  return http.createServer((req, res) => open(() => {
    let turns = 0;
    const look = () => { collect(); gone < 10 && ++turns < 100 ? setTimeout(look, 10) : res.end(`${gone} of 10`); };
    look();
  }));
};
kinds.left = 200;
if (process.env.KIND === 'nothing') process.send({ listeners: process.listenerCount('message'), execArgv: process.execArgv.length });
else kinds[process.env.KIND]().listen(+process.env.PORT, '127.0.0.1');
