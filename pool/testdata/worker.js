// A pool's worker in Node.
const tasks = {
  sum: (n) => { let total = 0; for (let i = 0; i < n; i++) total += i; return total; },
  echo: (text) => text,
  fail: async () => { throw new Error('not today'); },
  nothing: () => {},
  pid: () => process.pid,
  die: (how) => { how === 'exit' ? process.exit(7) : process.kill(process.pid, how); return new Promise(() => {}); },
  panics: () => { throw Object.assign(new Error('so it goes'), { panic: true }); },
  hang: () => { for (;;); },
};

process.on('message', async ({ id, task, in: input }) => {
  try {
    process.send({ id, out: await tasks[task](input) });
  } catch (err) {
    process.send({ id, error: err.message, panic: err.panic && err.message, stack: err.panic && err.stack });
  }
});
process.send({ ready: true });
