// fork: a Node program with memory of its own and a channel to its parent.
const { fork } = require('node:child_process');
const path = require('node:path');

const child = fork(path.join(__dirname, 'echo.js'));
child.on('message', (m) => {
  console.log(`fork: ${m.text} from another process: ${m.pid !== process.pid}`);
  child.disconnect();
});
child.on('exit', (code, signal) => console.log(`exit: code ${code}, signal ${signal}`));
child.send({ text: 'hello' });
