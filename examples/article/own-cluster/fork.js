// A program that forks children of its own and talks with them, while its own
// channel leads to tend.
const http = require('node:http');
const path = require('node:path');
const { fork } = require('node:child_process');

const child = fork(path.join(__dirname, 'answer.js'));
const waiting = [];
child.on('message', (m) => waiting.shift().end(`child ${m.pid} of ${process.pid}: ${m.answer}\n`));

http.createServer((req, res) => {
  waiting.push(res);
  child.send({ question: req.url });
}).listen(Number(process.env.PORT), '127.0.0.1', () => process.send && process.send('ready'));
