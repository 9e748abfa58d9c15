// The row of worker_threads: memory, start and messages, or a crash in one of four.
const { Worker, isMainThread, parentPort } = require('node:worker_threads');
const { once } = require('node:events');

if (!isMainThread) {
  parentPort.on('message', (m) => {
    if (m === 'abort') process.kill(process.pid, 'SIGABRT');
    else parentPort.postMessage(m);
  });
  parentPort.postMessage('up');
} else {
  (process.argv[2] === 'crash' ? crash : measure)();
}

async function start() {
  const worker = new Worker(__filename);
  await once(worker, 'message');
  return worker;
}

const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];

async function measure() {
  await (await start()).terminate(); // warm up
  const before = process.memoryUsage.rss();
  const starts = [];
  const workers = [];
  for (let i = 0; i < 8; i++) {
    const began = performance.now();
    workers.push(await start());
    starts.push((performance.now() - began) * 1000);
  }
  const memory = (process.memoryUsage.rss() - before) / 1024 / workers.length;
  const text = 'x'.repeat(100);
  const exchange = async (n) => {
    const began = performance.now();
    for (let i = 0; i < n; i++) {
      workers[0].postMessage(text);
      await once(workers[0], 'message');
    }
    return ((performance.now() - began) * 1000) / n;
  };
  await exchange(2000);
  const rounds = [];
  for (let i = 0; i < 5; i++) rounds.push(await exchange(2000));
  console.log(JSON.stringify({ memory, start: median(starts), message: median(rounds) }));
  for (const w of workers) await w.terminate();
}

async function crash() {
  const workers = await Promise.all([start(), start(), start(), start()]);
  workers.pop().postMessage('abort'); // the others are asked when this one has crashed
  setTimeout(() => {
    for (const w of workers) {
      w.on('message', () => console.log('answered'));
      w.postMessage('x');
    }
  }, 1000);
}
