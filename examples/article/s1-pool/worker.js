// A worker of the pool in Node.
const { sum } = require('../s1-compute/sum');

const tasks = {
  sum: (count) => {
    console.log(`computing ${process.pid}`);
    return sum(count);
  },
};

process.on('message', async ({ id, task, in: input }) => {
  try {
    process.send({ id, out: await tasks[task](input) });
  } catch (err) {
    process.send({ id, error: err.message });
  }
});
process.send({ ready: true });
