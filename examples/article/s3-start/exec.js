// exec: through a shell, gathered in memory, bounded by maxBuffer. More than
// that ends the child with an error that says so; the program goes on.
const { exec } = require('node:child_process');

exec('echo one two | wc -w', (err, stdout) => {
  console.log(`exec: ${stdout.trim()} words`);
  exec('yes', { maxBuffer: 200 * 1024 }, (err, stdout) => {
    console.log(`maxBuffer: ${err.code}, kept ${stdout.length} bytes`);
    exec('exit 3', (err) => console.log(`failure: code ${err.code}`));
  });
});
