// The child of fork.js.
process.on('message', (m) => process.send({ pid: process.pid, answer: `got ${m.question}` }));
