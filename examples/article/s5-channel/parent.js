// The parent's half: forks a program (default child.js), tells it a few things
// and prints the answers. A binary in any language will do: node parent.js ./child
const { fork, spawn } = require('node:child_process');
const path = require('node:path');

const program = process.argv[2] || path.join(__dirname, 'child.js');
const child = program.endsWith('.js')
  ? fork(program)
  : spawn(program, process.argv.slice(3), { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });

const questions = [{ n: 1, text: 'grüße\u2028' }, [1, 2, 3], 'text', 42, true, null, { cmd: 'NODE_DEMO' }];
for (const q of questions) child.send(q);
child.send('bye');

child.on('message', (m) => console.log(`parent: ${JSON.stringify(m)}`));
child.on('disconnect', () => console.log('parent: disconnected'));
child.on('exit', (code, signal) => console.log(`parent: exit ${signal || code}`));
