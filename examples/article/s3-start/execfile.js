// execFile: no shell, so what looks like a command in an argument is just text.
const { execFile } = require('node:child_process');

execFile('echo', ['hello; echo injected'], (err, stdout) => {
  console.log(`execFile: ${stdout.trim()}`);
  execFile('no-such-program', (err) => console.log(`missing: ${err.code}`));
});
