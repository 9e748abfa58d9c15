// The problem: /compute holds the only JavaScript thread, and every other
// request waits until it is done. COUNT sets how far it counts.
const http = require('node:http');
const { sum } = require('./sum');

const server = http.createServer((req, res) => {
  if (req.url === '/compute') {
    res.end(`sum ${sum(Number(process.env.COUNT || 1e10))}\n`);
  } else {
    res.end('ok\n');
  }
});

server.listen(Number(process.env.PORT || 0), '127.0.0.1', () => {
  console.log(`listening ${server.address().port}`);
});
