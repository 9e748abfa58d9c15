// Both ends in Node: a child that obeys, and a parent that measures its child as main.go does.
const { fork, spawn } = require('child_process');
const net = require('net');

const now = () => Number(process.hrtime.bigint()) / 1e9;
const data = (size) => ({ data: 'y'.repeat(size - '{"data":""}'.length) });

function child() {
  let left = 0;
  process.on('message', (m, h) => {
    if (m.send) {
      const d = data(m.size);
      for (let i = 0; i < m.send; i++) process.send(d);
    } else if (m.count) {
      left = m.count;
    } else if (m.data !== undefined || h) {
      if (h) h.close();
      if (--left === 0) process.send({ done: true });
    } else {
      process.send(m);
    }
  });
  process.on('disconnect', () => process.exit(0));
  process.send({ up: true });
}

async function parent(program, plan) {
  const result = {};
  let wake;
  let want = 0;
  const got = () => { if (--want === 0) wake(); };
  const until = (n) => new Promise((resolve) => { want = n; wake = resolve; });
  let start = now();
  const c = fork(__filename, ['child'], { execPath: program });
  c.on('message', got);
  await until(1);
  result.fork = now() - start;
  for (const { name, count, size, what, warm } of plan) {
    start = now();
    if (what === 'receive') {
      c.send({ send: count, size });
      await until(count);
    } else if (what === 'trip') {
      const d = { trip: data(size).data };
      for (let i = 0; i < count; i++) {
        c.send(d);
        await until(1);
      }
    } else if (what === 'send') {
      const d = data(size);
      c.send({ count });
      for (let i = 0; i < count; i++) {
        // As many programs do, and must: a sender that does not look fills its memory.
        if (!c.send(d) && i % 100 === 0) await new Promise((resolve) => { setImmediate(resolve); });
      }
      await until(1);
    } else if (what === 'handles') {
      const s = net.createServer().listen(0, '127.0.0.1');
      await new Promise((resolve) => { s.on('listening', resolve); });
      c.send({ count });
      for (let i = 0; i < count; i++) c.send({}, s);
      await until(1);
      s.close();
    } else {
      for (let i = 0; i < count; i++) await new Promise((resolve) => { spawn('/bin/true', { stdio: 'ignore' }).on('exit', resolve); });
    }
    if (!warm) result[name] = count / (now() - start);
  }
  c.disconnect();
  console.log(JSON.stringify(result));
}

if (process.argv[2] === 'child') child();
else parent(process.argv[3] || process.execPath, JSON.parse(process.argv[2]));
