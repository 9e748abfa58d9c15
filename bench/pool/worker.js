// What both pools run: by itself for tend, and as piscina's worker file.
const tasks = {
  sum: (n) => { let total = 0; for (let i = 0; i < n; i++) total += i; return total; },
  echo: (text) => text,
};
module.exports = tasks;

if (process.send) {
  process.on('message', async ({ id, task, in: input }) => {
    try {
      process.send({ id, out: await tasks[task](input) });
    } catch (err) {
      process.send({ id, error: err.message });
    }
  });
  process.send({ ready: true });
}
