// Worker threads in Node: what main.go does in Go, with the same output.
//
//   node threads.js
'use strict';
const { Worker, MessageChannel, isMainThread, parentPort, threadId, workerData } = require('node:worker_threads');

if (isMainThread) main();
else ({ sum, change, fail, leave, talk, loop })[workerData.role]();

async function main() {
  console.log(`main thread: ${isMainThread}, id ${threadId}`);

  // A long computation beside the main thread, in two halves.
  const sums = await Promise.all([[0, 5e7], [5e7, 1e8]].map(([from, to]) => run({ role: 'sum', from, to })));
  console.log(`sum ${sums[0].message.total + sums[1].message.total} by two threads, main thread: ${sums.some((s) => s.message.isMainThread)}`);

  // Data is copied, not shared.
  const list = [1, 2, 3];
  const changed = await run({ role: 'change', list });
  console.log(`the thread has ${changed.message}, the main thread ${list}`);

  // Errors and exit codes.
  const failed = await run({ role: 'fail' });
  console.log(`error: ${failed.error.message}, exit ${failed.code}`);
  const left = await run({ role: 'leave' });
  console.log(`error: none, exit ${left.code}`);

  // Two threads talk past the main thread.
  const { port1, port2 } = new MessageChannel();
  const [, heard] = await Promise.all([
    run({ role: 'talk', port: port1, say: 'hello' }, [port1]), run({ role: 'talk', port: port2 }, [port2])]);
  console.log(`the other thread heard ${heard.message}`);

  // Memory moves, and is gone here.
  const bytes = new Uint8Array(1 << 20);
  const moved = new MessageChannel();
  moved.port1.postMessage(bytes, [bytes.buffer]);
  console.log(`after the transfer: ${bytes.length} bytes`);
  moved.port1.close();

  // An endless loop is stopped.
  const w = new Worker(__filename, { workerData: { role: 'loop' } });
  w.once('message', () => w.terminate());
  w.on('exit', (code) => console.log(`the loop was stopped, exit ${code}`));
}

// run starts a thread and waits for its end.
function run(data, transferList) {
  return new Promise((resolve) => {
    const seen = {};
    const w = new Worker(__filename, { workerData: data, transferList });
    w.on('message', (message) => { seen.message = message; });
    w.on('error', (error) => { seen.error = error; });
    w.on('exit', (code) => resolve({ ...seen, code }));
  });
}

function sum() {
  let total = 0;
  for (let i = workerData.from; i < workerData.to; i++) total += i;
  parentPort.postMessage({ total, isMainThread });
}

function change() {
  workerData.list[0] = 'changed';
  parentPort.postMessage(workerData.list);
}

function fail() {
  throw new Error('it went wrong');
}

function leave() {
  process.exit(3);
}

function talk() {
  const { port, say } = workerData;
  if (say) return port.postMessage(say);
  port.once('message', (m) => {
    parentPort.postMessage(m);
    port.close();
  });
}

function loop() {
  parentPort.postMessage('looping');
  for (;;);
}
