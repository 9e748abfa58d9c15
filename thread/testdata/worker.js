// What Node does: each scenario prints lines, which the Go test compares with
// what package thread does in the same scenario.
'use strict';
const { Worker, MessageChannel, BroadcastChannel, receiveMessageOnPort, isMainThread, parentPort, threadId, workerData } =
  require('node:worker_threads');

const inside = {
  data() {
    parentPort.postMessage([isMainThread, threadId > 0, workerData.list[0]]);
  },
  throws() {
    parentPort.postMessage(1);
    parentPort.postMessage(2);
    throw new Error('boom');
  },
  exits() {
    parentPort.postMessage(1);
    process.exit(3);
  },
  loops() {
    parentPort.postMessage('looping');
    for (;;);
  },
  closes() {
    parentPort.on('message', (m) => {
      if (m === 'bye') parentPort.close();
      else parentPort.postMessage(m + 1);
    });
  },
  port() {
    parentPort.once('message', ({ port }) => {
      port.once('message', (m) => {
        port.postMessage('heard ' + m);
        port.close();
      });
    });
  },
};

function run(name, options, on = () => {}) {
  return new Promise((resolve) => {
    const w = new Worker(__filename, { argv: [name], ...options });
    const messages = [];
    let online, error; // Node may tell of either before or after messages: they come by another port
    w.on('online', () => { online = true; });
    w.on('message', (m) => {
      messages.push(JSON.stringify(m));
      on(w, m);
    });
    w.on('error', (e) => { error = e; });
    w.on('exit', (code) => {
      if (online) console.log(name, 'online');
      for (const m of messages) console.log(name, 'message', m);
      if (error) console.log(name, 'error', error.message);
      console.log(name, 'exit', code);
      resolve();
    });
    on(w);
  });
}

function attempt(what, f) {
  try {
    f();
    console.log(what, 'done');
  } catch (e) {
    console.log(what, e.name === 'DataCloneError' || e.code === 'ERR_MISSING_TRANSFERABLE_IN_TRANSFER_LIST' ? 'refused' : e);
  }
}

async function ports() {
  const { port1, port2 } = new MessageChannel();
  const v = { list: [1], self: null, twice: [new Uint8Array([1]), null] };
  v.self = v;
  v.twice[1] = v.twice[0];
  port1.postMessage(v);
  v.list[0] = 'changed';
  const got = receiveMessageOnPort(port2).message;
  console.log('clone', got.list[0], got.self === got, got.twice[0] === got.twice[1], got === v);
  console.log('empty', receiveMessageOnPort(port2) === undefined);

  attempt('function', () => port1.postMessage({ f() {} }));
  const other = new MessageChannel();
  attempt('port not listed', () => port1.postMessage({ p: other.port1 }));
  attempt('port twice', () => port1.postMessage(null, [other.port1, other.port1]));
  attempt('own port', () => port1.postMessage(null, [port1]));
  const bytes = new ArrayBuffer(8);
  attempt('function beside a buffer', () => port1.postMessage({ bytes, f() {} }, [bytes]));
  console.log('kept', bytes.byteLength);
  attempt('buffer', () => port1.postMessage({ bytes }, [bytes]));
  console.log('moved', bytes.byteLength, receiveMessageOnPort(port2).message.bytes.byteLength);

  other.port1.postMessage('before');
  port1.postMessage(other.port2, [other.port2]);
  other.port1.postMessage('on the way');
  const far = receiveMessageOnPort(port2).message;
  console.log('travelled', receiveMessageOnPort(far).message, receiveMessageOnPort(far).message);
  other.port1.close();

  const closing = new MessageChannel();
  const closed = new Promise((resolve) => closing.port2.on('close', resolve));
  closing.port2.on('message', (m) => console.log('closing', m));
  closing.port1.postMessage('rest');
  closing.port1.close();
  await closed;
  console.log('closing closed');
  port1.close();

  const a = new BroadcastChannel('news');
  const b = new BroadcastChannel('news');
  const c = new BroadcastChannel('other');
  a.onmessage = c.onmessage = () => console.log('broadcast', 'went astray');
  const heard = new Promise((resolve) => { b.onmessage = (ev) => resolve(ev.data); });
  a.postMessage('hello');
  console.log('broadcast', await heard);
  a.close();
  b.close();
  c.close();
}

async function main() {
  await run('data', { workerData: { list: [7] } });
  await run('throws');
  await run('exits');
  await run('loops', {}, (w, m) => m && w.terminate());
  await run('closes', {}, (w, m) => w.postMessage(m === undefined ? 1 : m < 3 ? m : 'bye'));
  const { port1, port2 } = new MessageChannel();
  port1.on('message', (m) => console.log('port', m));
  const gone = new Promise((resolve) => port1.on('close', resolve));
  port1.postMessage('early');
  const w = new Worker(__filename, { argv: ['port'] });
  w.postMessage({ port: port2 }, [port2]);
  await gone;
  console.log('port closed');
  await w.terminate();
  await ports();
}

if (isMainThread) main();
else inside[process.argv[2]]();
