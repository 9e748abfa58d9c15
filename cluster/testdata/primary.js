// A Node primary whose workers are the program GO, by the way that works: node
// always runs process.execPath.
const cluster = require('cluster');
cluster.schedulingPolicy = process.env.POLICY === 'none' ? cluster.SCHED_NONE : cluster.SCHED_RR;
const say = (o) => console.log(JSON.stringify(o));
cluster.setupPrimary({ exec: 'worker', serialization: process.env.MODE || 'json' });
process.execPath = process.env.GO;
const workers = [];
let alive = 2;
for (let i = 0; i < 2; i++) {
  const w = cluster.fork({ TEND_TEST_ROLE: 'worker' });
  workers.push(w);
  w.on('online', () => say({ online: w.id }));
  w.on('listening', (a) => say({ listening: w.id, ...a }));
  w.on('message', (m) => say({ message: m }));
  w.on('disconnect', () => say({ disconnect: w.id, left: w.exitedAfterDisconnect }));
  w.on('exit', (code, signal) => { say({ exit: w.id, code, signal }); if (--alive === 0) process.exit(0); });
}
require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'disconnect') cluster.disconnect();
  else for (const w of workers) w.send(line);
});
