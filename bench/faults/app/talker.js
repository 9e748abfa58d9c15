// Sends numbered messages to its guard, and prints the lines that it gets from it.
let n = 0;
setInterval(() => process.send({ type: 'process:msg', data: { n: n++ } }), 2);
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => console.log(line));
