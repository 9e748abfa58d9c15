// Loaded into a Node worker by --require, before its program: lets the worker leave
// without a client noticing. It does nothing until the primary says so.
//
//   worker  ── {cmd:"NODE_TEND",act:"hello"} ──────────▶ primary   it can drain
//   primary ── {cmd:"NODE_TEND",act:"drain",timeout} ──▶ worker    take no new connection, finish the old
//   worker  ── {cmd:"NODE_TEND",act:"drained"} ────────▶ primary   none is left
//   primary ── {cmd:"NODE_TEND",act:"ping"} ───────────▶ worker    does your event loop turn?
//   worker  ── {cmd:"NODE_TEND",act:"pong"} ───────────▶ primary
//
// Node hides messages whose cmd begins with NODE_ from the program.
'use strict';
try {
  const cluster = require('cluster');
  // The program's own children inherit the flag that loads this file: they are no workers of ours.
  if (cluster.isWorker && process.connected && typeof cluster._getServer === 'function') install(cluster);
} catch {} // A worker that cannot drain is told to disconnect, as ever.

function install(cluster) {
  const net = require('net');
  const dc = require('diagnostics_channel');
  const servers = new Set(); // that listen
  const sockets = new Set(); // that they have accepted
  const streams = new Set(); // of TLS, over some of those sockets
  const sessions = new Set(); // of HTTP/2
  let draining = false;
  let told = false;

  const say = (message) => { try { process.send({ cmd: 'NODE_TEND', ...message }, () => {}); } catch {} };
  const keep = (set, item) => { set.add(item); item.once('close', () => set.delete(item)); };

  const getServer = cluster._getServer;
  cluster._getServer = function (server, ...rest) {
    if (server instanceof net.Server && !servers.has(server)) {
      servers.add(server);
      server.on('session', (session) => { keep(sessions, session); if (draining) leave(session); });
      server.on('secureConnection', (stream) => keep(streams, stream));
    }
    return getServer.call(this, server, ...rest);
  };
  dc.subscribe('net.server.socket', ({ socket }) => {
    sockets.add(socket);
    socket.once('close', () => { sockets.delete(socket); if (draining) look(); });
  });
  dc.subscribe('http.server.request.start', ({ response }) => { if (draining) last(response); });

  // The answer is the last on its connection, unless its head is out already.
  function last(response) {
    if (response && !response.headersSent) response.shouldKeepAlive = false;
  }
  function leave(session) {
    try { session.close(); } catch {} // GOAWAY; streams that are open go on
  }
  function look() {
    if (sockets.size > 0 || told) return;
    told = true;
    say({ act: 'drained' });
  }
  function drain(timeout) {
    if (draining) return;
    draining = true;
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
  });
  say({ act: 'hello' });
}
