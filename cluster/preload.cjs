// Loaded into a Node worker by --require, before its program: lets the worker leave
// without a client noticing. It does nothing until the primary says so.
//
//   worker  ── {cmd:"NODE_TEND",act:"hello"} ──────────▶ primary   it can drain
//   primary ── {cmd:"NODE_TEND",act:"brief"} ──────────▶ worker    be short about connections: see brief
//   primary ── {cmd:"NODE_TEND",act:"drain",timeout} ──▶ worker    take no new connection, finish the old
//   worker  ── {cmd:"NODE_TEND",act:"drained"} ────────▶ primary   none is left
//   primary ── {cmd:"NODE_TEND",act:"ping"} ───────────▶ worker    does your event loop turn?
//   worker  ── {cmd:"NODE_TEND",act:"pong"} ───────────▶ primary
//   worker  ── {cmd:"NODE_TEND",act:"worn"} ───────────▶ primary   it has accepted TEND_WORN connections
//
// Node hides messages whose cmd begins with NODE_ from the program.
//
// With a folder in TEND_STICKY it also keeps sessions of Engine.IO, which carries Socket.IO,
// at the worker that has them: see stick.
'use strict';
const { Buffer } = require('buffer');
try {
  const cluster = require('cluster');
  // The program's own children inherit the flag that loads this file: they are no workers of ours.
  if (cluster.isWorker && process.connected && typeof cluster._getServer === 'function') install(cluster);
} catch {} // A worker that cannot drain is told to disconnect, as ever.

function install(cluster) {
  const net = require('net');
  const dc = require('diagnostics_channel');
  const met = new WeakSet(); // servers that listen, or have listened
  const servers = new Set(); // that listen
  const sockets = new Set(); // that they have accepted
  const streams = new Set(); // of TLS, over some of those sockets
  const sessions = new Set(); // of HTTP/2, that have had a stream
  let draining = false;
  let told = false;
  let short = false;
  const sticky = process.env.TEND_STICKY ? stick(cluster, process.env.TEND_STICKY, () => { if (draining) look(); }) : null;
  delete process.env.TEND_STICKY;
  const worn = +process.env.TEND_WORN || 0;
  let taken = 0; // connections
  delete process.env.TEND_WORN;

  const { send, emit } = process; // the program may replace them
  const say = (message) => { try { send.call(process, { cmd: 'NODE_TEND', ...message }, () => {}); } catch {} };
  const keep = (set, item) => { set.add(item); item.once('close', () => set.delete(item)); };

  const getServer = cluster._getServer;
  cluster._getServer = function (server, address, listening) {
    if (!(server instanceof net.Server)) return getServer.apply(this, arguments);
    if (!met.has(server)) {
      met.add(server);
      // Not before its first stream: that may be on its way, and would be refused.
      server.on('session', (session) => session.once('stream', () => { keep(sessions, session); if (draining) leave(session); }));
      server.on('secureConnection', (stream) => keep(streams, stream));
      if (sticky) sticky.serve(server, address);
    }
    return getServer.call(this, server, address, function (err, handle) {
      if (handle) enlist(server, handle, JSON.stringify(word.key));
      return listening.apply(this, arguments);
    });
  };
  const open = new Map(); // servers and their handles, by the JSON of the primary's key
  let word = {}; // of the primary, that Node is at
  process.prependListener('internalMessage', (message) => { word = message || {}; });
  function enlist(server, handle, key) {
    const { close } = handle;
    servers.add(server);
    open.set(key, { key, server, handle });
    handle.close = function () {
      servers.delete(server);
      open.delete(key);
      return close.apply(this, arguments);
    };
  }
  dc.subscribe('net.server.socket', ({ socket }) => {
    sockets.add(socket);
    if (worn > 0 && ++taken % worn === 0) say({ act: 'worn' });
    socket.on('close', gone);
  });
  function gone() { // of a socket: one function for all of them
    sockets.delete(this);
    if (draining) look();
  }

  // The answer is the last on its connection, unless its head is out already.
  function last(response) {
    if (response && !response.headersSent) response.shouldKeepAlive = false;
  }
  function leave(session) {
    try { session.close(); } catch {} // GOAWAY; streams that are open go on
  }
  function look() {
    if (sockets.size > 0 || told || sticky && sticky.sessions() > 0) return;
    told = true;
    say({ act: 'drained' });
  }
  function drain(timeout) {
    if (draining) return;
    draining = true;
    dc.subscribe('http.server.request.start', ({ response }) => last(response));
    if (sticky) sticky.drain();
    for (const server of servers) {
      // Not http's own close: that cuts idle connections, on which a request may be on its way.
      try { if (server.listening) net.Server.prototype.close.call(server); } catch {}
    }
    for (const session of sessions) leave(session);
    for (const set of [sockets, streams]) for (const socket of set) last(socket._httpMessage);
    setTimeout(farewell, timeout - Math.min(1000, timeout / 2)).unref();
    setImmediate(look);
  }
  // What would stay for ever is told before the end: a WebSocket by its close frame, if it is
  // one of the package ws, which keeps it at the socket under a symbol.
  function farewell() {
    if (sticky) sticky.end();
    for (const set of [sockets, streams]) for (const socket of set) {
      try {
        for (const key of Object.getOwnPropertySymbols(socket)) {
          if (key.description === 'websocket' && typeof socket[key].close === 'function') socket[key].close(1001);
        }
      } catch {}
    }
  }
  process.on('internalMessage', (message) => {
    if (!message || message.cmd !== 'NODE_TEND') return;
    if (message.act === 'drain') drain(message.timeout);
    if (message.act === 'ping') say({ act: 'pong' });
    if (message.act === 'brief' && !short) short = true, brief(open, () => word, usual);
  });
  const listeners = process.listenerCount('internalMessage'); // Node's and ours
  // Whether the program has put nothing of its own on Node's way from the channel to a server.
  function usual() {
    return process.send === send && process.emit === emit && process.listenerCount('internalMessage') === listeners;
  }
  say({ act: 'hello' });
}

// Node answers a connection twice: that it has the handle, and then that it accepts it. The
// second says the first; without it each connection is a message and a system call cheaper.
// And Node hands it to itself twice as an event, each time a tick later. What is a connection
// for an open server and nothing else is spared those events, where Node keeps what that needs
// where it always did and the program does not look on.
function brief(open, word, usual) {
  const send = process._send;
  if (typeof send !== 'function') return;
  process._send = function (message, handle, options, callback) {
    if (message && message.cmd === 'NODE_HANDLE_ACK') {
      const { cmd, msg } = word();
      if (cmd === 'NODE_HANDLE' && msg && msg.act === 'newconn') return true;
    }
    return send.call(this, message, handle, options, callback);
  };

  const name = Object.getOwnPropertySymbols(process).find((symbol) => symbol.description === 'kChannelHandle');
  const channel = process[name];
  const onread = channel && channel.onread;
  if (typeof onread !== 'function') return;
  const line = /^{"cmd":"NODE_HANDLE","type":"net\.Native","msg":{"cmd":"NODE_CLUSTER","act":"newconn","key":(.*),"seq":(\d+)}}\n$/;
  channel.onread = function (chunk) {
    const connection = channel.pendingHandle;
    const found = connection && chunk && !channel.buffering && process.connected && usual() &&
      line.exec(Buffer.from(chunk).latin1Slice());
    const at = found && open.get(found[1]);
    if (!at || at.server._handle !== at.handle || at.server.maxConnections != null) return onread.apply(this, arguments);
    channel.pendingHandle = null;
    // In a tick of its own, as Node's: that is what the program's async contexts go by.
    process.nextTick(take, at, connection, Number(found[2]));
  };
  function take(at, connection, ack) {
    // Not after a disconnect: the primary, which is not answered, gives it to another.
    const accepted = process.connected && open.get(at.key) === at;
    if (process.connected) process._send({ cmd: 'NODE_CLUSTER', ack, accepted, seq: 0 }, null, true);
    if (accepted) at.handle.onconnection(0, connection);
    else connection.close();
  }
}

// A session of Engine.IO lives in the memory of the worker that opened it, and the client names it
// in each request: ?sid=ID. Its worker puts its own number behind the ID. A request that reaches
// another worker is passed on to that one, by a Unix socket in dir; so it is right whichever way
// the connection came: kept alive, through a proxy, encrypted, or while the worker drains. The
// primary reads the number too and mostly gets it right at once, where it hands out connections.
function stick(cluster, dir, none) {
  const fs = require('fs');
  const http = require('http');
  const Module = require('module');
  const me = String(cluster.worker.id);
  const engines = new Set();
  const servers = new Map(); // by what the program listens on: the same in each worker
  const tunnels = new Map(); // sockets of others' sessions, and how to end those
  const from = Symbol('passed on');
  let draining = false;
  let closing = []; // servers that have closed; the engine ends its sessions when it hears of it

  const load = Module._load;
  Module._load = function (request) {
    const exports = load.apply(this, arguments);
    if (/(^|[\\/])engine\.io(\.js)?$/.test(request)) mark(exports);
    return exports;
  };

  // Programs may set generateId of their engine; what they set is called in its place.
  function mark(exports) {
    let proto = exports && exports.Server && exports.Server.prototype;
    while (proto && !Object.prototype.hasOwnProperty.call(proto, 'generateId')) proto = Object.getPrototypeOf(proto);
    if (!proto || typeof Object.getOwnPropertyDescriptor(proto, 'generateId').value !== 'function') return;
    const usual = proto.generateId;
    const own = new WeakMap();
    const numbered = (id) => id + '.' + me;
    Object.defineProperty(proto, 'generateId', {
      configurable: true,
      set(generate) { own.set(this, generate); },
      get() {
        return function () {
          meet(this);
          const id = (own.get(this) || usual).apply(this, arguments);
          return id && typeof id.then === 'function' ? id.then(numbered) : numbered(id);
        };
      },
    });
  }
  function meet(engine) {
    if (engines.has(engine)) return;
    engines.add(engine);
    engine.on('connection', (session) => session.once('close', () => setImmediate(gone)));
  }
  function gone() {
    if (sessions() > 0) return;
    for (const close of closing) close();
    closing = [];
    none();
  }

  const inbox = http.createServer({ requireHostHeader: false });
  for (const event of ['request', 'upgrade', 'checkContinue']) {
    inbox.on(event, (req, ...rest) => {
      let note;
      try { note = JSON.parse(req.headers['tend-sticky']); } catch {}
      if (note && note.end) return end(note.end), rest[0].end();
      const server = note && servers.get(note.server);
      if (!server) return req.socket.destroy();
      delete req.headers['tend-sticky'];
      req.rawHeaders.splice(req.rawHeaders.indexOf('tend-sticky'), 2);
      for (const name of ['remoteAddress', 'remotePort', 'encrypted']) {
        Object.defineProperty(req.socket, name, { configurable: true, value: note[name] });
      }
      req[from] = true;
      server.emit(event, req, ...rest);
    });
  }
  inbox.on('error', (err) => process.stderr.write(`tend: sessions will not stick to this worker: ${err.message}\n`));
  if (dir.length > 80) dir = '/proc/self/fd/' + fs.openSync(dir); // the name of a socket is short
  fs.rmSync(dir + '/' + me, { force: true }); // of a worker long gone
  inbox.listen({ path: dir + '/' + me, exclusive: true }).unref();

  function serve(server, { addressType, address, port }) {
    let key = [addressType, address, port].join();
    while (servers.has(key)) key += '+'; // port 0, again
    servers.set(key, server);
    const emit = server.emit;
    server.emit = function (event, req, ...rest) {
      if (event === 'close' && draining && sessions() > 0) return closing.push(() => emit.call(this, 'close')), true;
      const passing = event === 'request' || event === 'checkContinue' ? pass : event === 'upgrade' ? tunnel : null;
      const session = passing && sessionOf(req.url);
      if (session && session.owner !== me && !req[from]) {
        passing(ask(session, key, req), session, req, ...rest);
      } else if (session && session.owner === me && event !== 'upgrade' && !has(session.sid)) {
        closed(session, req, rest[0]);
      } else return emit.call(this, event, req, ...rest);
      return true;
    };
  }

  function sessionOf(url) {
    if (!url.includes('sid=')) return null;
    const query = new URLSearchParams(url.slice(url.indexOf('?') + 1));
    const sid = query.get('sid'), version = query.get('EIO');
    const owner = version && sid && /\.(\d+)$/.exec(sid);
    return owner && { sid, version, owner: owner[1] };
  }

  function ask({ owner }, server, req) {
    const { remoteAddress, remotePort, encrypted } = req.socket;
    const out = request(owner, req, { server, remoteAddress, remotePort, encrypted: Boolean(encrypted) });
    for (const [name, values] of grouped(req)) if (name.toLowerCase() !== 'tend-sticky') out.setHeader(name, values);
    return out;
  }
  function request(owner, { method, url }, note) {
    return http.request({
      socketPath: dir + '/' + owner, agent: false, setHost: false,
      method, path: url, headers: { 'tend-sticky': JSON.stringify(note) },
    });
  }
  // Of one connection each; Node writes its own.
  const hop = new Set(['connection', 'keep-alive', 'proxy-connection']);
  function grouped(message) {
    const all = new Map();
    for (let i = 0; i < message.rawHeaders.length; i += 2) {
      const name = message.rawHeaders[i];
      if (hop.has(name.toLowerCase())) continue;
      if (!all.has(name)) all.set(name, []);
      all.get(name).push(message.rawHeaders[i + 1]);
    }
    return all;
  }

  function pass(out, session, req, res) {
    out.once('socket', (socket) => socket.once('connect', () => req.pipe(out)));
    out.on('error', () => { // the session ended with its worker
      if (res.headersSent) res.destroy();
      else closed(session, req, res);
    });
    out.on('response', (answer) => {
      for (const [name, values] of grouped(answer)) res.setHeader(name, values);
      res.shouldKeepAlive = false; // the next connection may find its way at once
      res.writeHead(answer.statusCode, answer.statusMessage);
      answer.pipe(res);
      answer.once('aborted', () => res.destroy());
    });
    res.once('close', () => out.destroy());
  }

  // The session has ended: so the client is told, which may have sent this before it knew. It opens
  // another one; "unknown session" would be an error to it.
  function closed({ version }, req, res) {
    req.resume();
    if (req.headers.origin) {
      res.setHeader('Access-Control-Allow-Origin', req.headers.origin);
      res.setHeader('Access-Control-Allow-Credentials', 'true');
    }
    res.writeHead(200, { 'Content-Type': 'text/plain; charset=UTF-8', Connection: 'close' });
    res.end(req.method !== 'GET' ? 'ok' : version === '3' ? '1:1' : '1');
  }

  function tunnel(out, { owner, sid }, req, socket, head) {
    out.setHeader('Connection', 'Upgrade');
    socket.on('error', () => out.destroy());
    out.on('error', () => socket.destroy());
    const answer = (res) => {
      let text = `HTTP/1.1 ${res.statusCode} ${res.statusMessage}\r\n`;
      for (let i = 0; i < res.rawHeaders.length; i += 2) text += `${res.rawHeaders[i]}: ${res.rawHeaders[i + 1]}\r\n`;
      socket.write(text + '\r\n', 'latin1');
    };
    out.on('response', (res) => { answer(res); res.pipe(socket); });
    out.on('upgrade', (res, peer, first) => {
      answer(res);
      socket.write(first);
      peer.write(head);
      peer.pipe(socket).pipe(peer);
      peer.on('error', () => socket.destroy());
      peer.once('close', () => socket.destroy());
      socket.once('close', () => { tunnels.delete(socket); peer.destroy(); });
      tunnels.set(socket, () => request(owner, { method: 'GET', url: '/' }, { end: sid }).on('error', () => socket.destroy()).end());
    });
    out.end();
  }

  function has(sid) {
    for (const engine of engines) if (engine.clients[sid]) return true;
    return false;
  }
  function end(sid) {
    for (const engine of engines) if (engine.clients[sid]) engine.clients[sid].close();
  }

  function sessions() {
    let n = 0;
    for (const engine of engines) n += engine.clientsCount;
    return n;
  }

  return {
    serve,
    sessions,
    drain() { draining = true; },
    // The clients open new sessions, elsewhere.
    end() {
      for (const engine of engines) Object.keys(engine.clients).forEach(end);
      for (const ask of tunnels.values()) ask();
    },
  };
}
