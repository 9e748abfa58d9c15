// A worker process for the table.
const fs = require('node:fs');

const tasks = {
  echo: (text) => text,
  hold: (gate) => new Promise((resolve, reject) => {
    fs.open(gate, (err, fd) => (err ? reject(err) : fs.read(fd, Buffer.alloc(1), 0, 1, null, (e) => (e ? reject(e) : resolve(1)))));
  }),
  abort: () => process.kill(process.pid, 'SIGABRT'),
};

process.on('message', async ({ id, task, in: input }) => {
  try {
    process.send({ id, out: await tasks[task](input) });
  } catch (err) {
    process.send({ id, error: err.message });
  }
});
process.send({ ready: true });
