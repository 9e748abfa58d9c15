// The same with Node's worker_threads; prints nanoseconds as JSON.
'use strict';
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');

if (!isMainThread) {
  if (workerData === 'echo') parentPort.on('message', (m) => parentPort.postMessage(m));
} else {
  main();
}

async function main() {
  const trip = await roundTrips(20000);
  const order = {
    id: 1, name: 'a name', at: new Date(), tags: { a: 'b', c: 'd' },
    items: Array.from({ length: 10 }, () => ({ sku: '', count: 0, price: 0 })),
  };
  const clone = per(50000, () => structuredClone(order));
  const lives = 30;
  const began = process.hrtime.bigint();
  for (let i = 0; i < lives; i++) await new Promise((resolve) => new Worker(__filename).on('exit', resolve));
  const start = Number(process.hrtime.bigint() - began) / lives;
  console.log(JSON.stringify({ trip: Math.round(trip), clone: Math.round(clone), start: Math.round(start) }));
}

function roundTrips(n) {
  return new Promise((resolve) => {
    const w = new Worker(__filename, { workerData: 'echo' });
    let left = 2 * n;
    let began;
    w.on('message', () => {
      if (left === n) began = process.hrtime.bigint(); // the first half warms up
      if (left-- > 0) return w.postMessage(7);
      resolve(Number(process.hrtime.bigint() - began) / n);
      w.terminate();
    });
    w.postMessage(7);
  });
}

function per(n, f) {
  for (let i = 0; i < n; i++) f();
  const began = process.hrtime.bigint();
  for (let i = 0; i < n; i++) f();
  return Number(process.hrtime.bigint() - began) / n;
}
