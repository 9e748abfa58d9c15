// Gives its child a socket of each kind, and has the child give it one of each:
// node parent.js [PROGRAM ARGS…], default child.js. What a client of each
// socket reads tells who served it.
const path = require('node:path');
const { fork, spawn } = require('node:child_process');
const { kinds, take, give } = require('./handles');

const [program, ...args] = process.argv.slice(2);
const child = program
  ? spawn(program, args, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] })
  : fork(path.join(__dirname, 'child.js'));

const steps = kinds.flatMap((kind) => [
  () => give(child, kind, (text) => { console.log(`parent gave ${kind}: ${text}`); next(); }),
  () => child.send({ give: kind }),
]);
function next() {
  const step = steps.shift();
  if (step) step(); else child.disconnect();
}

child.on('message', (m, handle) => {
  if (m.read === undefined) return take(m, handle);
  console.log(`child gave ${m.gave}: ${m.read}`);
  next();
});
child.on('exit', (code, signal) => console.log(`exit ${signal || code}`));
next();
