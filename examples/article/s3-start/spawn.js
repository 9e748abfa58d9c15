// spawn: streams, for output of any size, binary too. Counts 8 MiB of zeros.
const { spawn } = require('node:child_process');

const child = spawn('head', ['-c', String(8 << 20), '/dev/zero']);
let bytes = 0;
child.stdout.on('data', (chunk) => { bytes += chunk.length; });
child.on('close', (code, signal) => console.log(`spawn: ${bytes} bytes, code ${code}, signal ${signal}`));
