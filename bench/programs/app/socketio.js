const server = require('node:http').createServer((req, res) => res.end(String(process.pid)))
new (require('socket.io').Server)(server).on('connection', (s) => s.on('ask', (n, answer) => answer(n)))
server.listen(Number(process.env.PORT), '127.0.0.1')
