// A Socket.IO server that knows of nobody else.
const http = require('http');
const { Server } = require('socket.io');
const server = http.createServer((req, res) => res.end(`${process.pid}`));
const io = new Server(server, { pingInterval: 1000 });
if (process.env.OWN_IDS) {
  let n = 0;
  io.engine.generateId = () => `own-${process.pid}-${n++}`;
}
io.on('connection', (socket) => socket.on('who', (back) => back(process.pid, socket.handshake.address)));
server.listen(+process.env.PORT, '127.0.0.1');
