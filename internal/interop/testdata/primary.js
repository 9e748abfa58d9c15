// A cluster's primary whose workers are another program.
const cluster = require('cluster');
const net = require('net');

const [program, policy] = process.argv.slice(2);
cluster.schedulingPolicy = policy === 'rr' ? cluster.SCHED_RR : cluster.SCHED_NONE;
process.execPath = program;
if (cluster.setupPrimary) cluster.setupPrimary({ exec: 'worker', execArgv: [], execPath: program });

const say = (result) => {
  console.log(JSON.stringify(result));
  for (const w of workers) w.process.kill('SIGKILL');
  process.exit(0);
};
const workers = [cluster.fork(), cluster.fork()];
const pids = () => workers.map((w) => String(w.process.pid));
const ask = (address) => new Promise((resolve, reject) => {
  let text = '';
  net.connect(address.port, '127.0.0.1').on('data', (d) => { text += d; }).on('end', () => resolve(text)).on('error', reject);
});

const late = setTimeout(() => say({ fail: 'no worker listened' }), Number(process.env.PATIENCE));
let listening = 0;
cluster.on('listening', async (w, address) => {
  if (++listening < workers.length) return;
  clearTimeout(late);
  try {
    const seen = new Set();
    for (let n = 0; n < 6; n++) seen.add(await ask(address));
    for (const pid of seen) if (!pids().includes(pid)) return say({ fail: `${pid} answered` });
    if (policy === 'rr' && seen.size !== 2) return say({ fail: `only ${[...seen]} answered` });
    for (const w of workers) w.disconnect();
  } catch (err) {
    say({ fail: String(err) });
  }
});
let gone = 0;
cluster.on('exit', (w, code, signal) => {
  if (code !== 0 || listening < workers.length) say({ fail: `a worker ended: ${code} ${signal}` });
  if (++gone === workers.length) say({});
});
