// Drives piscina for as long as each line on standard input says.
const path = require('node:path');
const readline = require('node:readline');
const { Piscina } = require('piscina');

const [workers, clients] = process.argv.slice(2).map(Number);
const pool = new Piscina({ filename: path.join(__dirname, 'worker.js'), minThreads: workers, maxThreads: workers });
const kilobyte = 'x'.repeat(1024);

async function drive({ task, ms, count }) {
  const input = task === 'sum' ? count : kilobyte;
  const began = performance.now();
  let tasks = 0;
  let worst = 0;
  await Promise.all(Array.from({ length: clients }, async () => {
    while (performance.now() - began < ms) {
      const at = performance.now();
      const out = await pool.run(input, { name: task });
      if (task === 'echo' && out !== kilobyte) throw new Error('echo');
      worst = Math.max(worst, performance.now() - at);
      tasks++;
    }
  }));
  console.log(JSON.stringify({ tasks, took: performance.now() - began, worst }));
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) await drive(JSON.parse(line));
  await pool.destroy();
})();
