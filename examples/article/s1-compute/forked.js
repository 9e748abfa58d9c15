// The cure: each /compute goes to a child of its own, and its answer comes back
// as a message. The server stays free; a child that dies is an error, not a hang.
const http = require('node:http');
const path = require('node:path');
const { fork } = require('node:child_process');

function compute(count) {
  return new Promise((resolve, reject) => {
    const child = fork(path.join(__dirname, 'compute.js'));
    console.log(`computing ${child.pid}`);
    child.once('message', ({ sum }) => {
      resolve(sum);
      child.disconnect(); // nothing holds it then, and it exits
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => reject(new Error(`the computation ended early: ${signal || code}`)));
    child.send({ count });
  });
}

const server = http.createServer((req, res) => {
  if (req.url !== '/compute') return res.end('ok\n');
  compute(Number(process.env.COUNT || 1e10)).then(
    (sum) => res.end(`sum ${sum}\n`),
    (err) => { res.statusCode = 500; res.end(`${err.message}\n`); },
  );
});

server.listen(Number(process.env.PORT || 0), '127.0.0.1', () => {
  console.log(`listening ${server.address().port}`);
});
