// The process object: what a program knows of itself, and the ways it can end. It
// ends as its argument says: return, exit or throw; else a signal ends it.
process.title = 'article s2';
console.log(`${process.platform} ${process.arch} ${process.env.NODE_ENV} uptime ${process.uptime() > 0} tty ${!!process.stdin.isTTY}`);
console.log(`pid ${process.pid} of ${process.ppid}`);

process.on('exit', (code) => console.log(`exit ${code}`));
process.on('uncaughtExceptionMonitor', (err) => console.log(`uncaught ${err.message}`));
process.on('SIGTERM', () => {
  console.log('asked to end');
  process.exit(5);
});

switch (process.argv[2]) {
  case 'return': break;
  case 'exit': process.exit(4);
  case 'throw': throw new Error('it went wrong'); // eslint-disable-line no-fallthrough
  default: setInterval(() => {}, 1e6);
}
console.log('up');
