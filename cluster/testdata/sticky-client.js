// Clients of sticky.js that talk all the time, until they are told to finish; then they say how it went,
// once the first session of each has ended and it has another.
const http = require('http');
const { io } = require('socket.io-client');
const { PORT, TRANSPORTS, KEEP } = process.env;
const clients = 12;
const options = { transports: TRANSPORTS.split(','), forceNew: true, reconnectionDelay: 10, reconnectionDelayMax: 50 };
if (KEEP) options.agent = new http.Agent({ keepAlive: true, maxSockets: 16 }); // sessions take turns on connections
const told = { sessions: 0, errors: {}, ends: {}, answers: 0, strangers: 0, pids: {} };
const count = (of, what) => { of[what] = (of[what] || 0) + 1; };
let begun = 0;
let finishing = false;
const ended = new Set(); // the sockets whose first session has
const sockets = Array.from({ length: clients }, () => {
  const socket = io(`http://127.0.0.1:${PORT}`, options);
  let pid = 0;
  socket.on('connect', () => {
    told.sessions++;
    pid = 0;
    if (++begun === clients) process.send('begun');
    ask(socket.id);
  });
  socket.io.on('reconnect_error', (err) => count(told.errors, err.message + ' ' + (err.description || '')));
  socket.on('connect_error', (err) => count(told.errors, err.message + ' ' + (err.description && err.description.message || err.description || '')));
  socket.on('disconnect', (why, details) => {
    if (finishing) return;
    ended.add(socket);
    const what = details && details.description;
    count(told.ends, why === 'transport close' ? why : `${why} ${what && what.message || what}`);
  });
  function ask(id) {
    if (socket.id !== id || !socket.connected) return;
    socket.emit('who', (answer, address) => {
      told.answers++;
      count(told.pids, answer);
      if (pid && pid !== answer || address !== '127.0.0.1') told.strangers++;
      pid = answer;
      setTimeout(ask, 2, id);
    });
  }
  return socket;
});
process.on('message', async () => {
  for (const socket of sockets) if (!ended.has(socket)) await new Promise((resolve) => socket.once('disconnect', resolve));
  for (const socket of sockets) if (!socket.connected) await new Promise((resolve) => socket.once('connect', resolve));
  finishing = true;
  for (const socket of sockets) socket.disconnect();
  process.send({ told }, () => process.disconnect());
});
