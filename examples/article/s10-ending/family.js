// A family that is hard to end: a child that ignores SIGTERM, and a grandchild
// in a session of its own. Prints the pids of all when they are up.
const { spawn } = require('node:child_process');

const stubborn = 'trap "" TERM HUP INT; echo up; while :; do sleep 1 & wait; done';
const child = spawn('sh', ['-c', stubborn], { stdio: ['ignore', 'pipe', 'inherit'] });
child.stdout.once('data', () => {
  const stray = spawn('sh', ['-c', 'echo up; exec sleep 1000'], { detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
  stray.stdout.once('data', () => console.log(`family ${process.pid} ${child.pid} ${stray.pid}`));
});
