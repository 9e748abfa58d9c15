// Both ends in Node: a child that obeys, and a parent that measures its child as main.go does.
const { fork, spawn } = require('child_process');
const fs = require('fs');
const net = require('net');

const now = () => Number(process.hrtime.bigint()) / 1e9;
const data = (size) => (size ? { data: 'y'.repeat(size - '{"data":""}'.length) } : records());
const records = () => ({
  list: Array.from({ length: 77 }, (_, i) => ({ id: i * 1000003, name: `Name of number ${i}`, active: i % 2 === 0, score: i * 1.37, tags: ['alpha', 'beta', 'gamma'], at: { x: i, y: i * 7 } })),
});

// cpu is the processor time of all threads of the processes, in microseconds.
const cpu = (...pids) => pids.flatMap((pid) => fs.readdirSync(`/proc/${pid}/task`).map((tid) => `/proc/${pid}/task/${tid}/schedstat`))
  .reduce((sum, path) => sum + Number(fs.readFileSync(path, 'utf8').split(' ')[0]) / 1e3, 0);

// many sends the same message over and over, and waits while the channel is full, as
// a program must: one that does not look keeps what it sends in its memory, and
// writes it when it has ended.
async function many(to, message, count) {
  for (let i = 0, room = true; i < count; i++) {
    if (room) room = to.send(message);
    else room = await new Promise((resolve) => { to.send(message, undefined, {}, () => resolve(true)); });
  }
}

function child() {
  let left = 0;
  process.on('message', (m, h) => {
    if (m.send) {
      many(process, data(m.size), m.send);
    } else if (m.count) {
      left = m.count;
    } else if (m.data !== undefined || m.list || h) {
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
    const before = cpu(process.pid, c.pid);
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
      c.send({ count });
      const done = until(1);
      await many(c, data(size), count);
      await done;
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
    if (!warm) {
      result[name] = count / (now() - start);
      result[`cpu ${name}`] = (cpu(process.pid, c.pid) - before) / count;
    }
  }
  c.disconnect();
  console.log(JSON.stringify(result));
}

if (process.argv[2] === 'child') child();
else parent(process.argv[3] || process.execPath, JSON.parse(process.argv[2]));
