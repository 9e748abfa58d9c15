// libuv's thread pool: two threads of it are held up by opening a named pipe that
// nobody writes to. The event loop goes on; whether fs.stat does depends on
// UV_THREADPOOL_SIZE.
const fs = require('node:fs');

const [pipe] = process.argv.slice(2);
for (let i = 0; i < 2; i++) fs.open(pipe, 'r', () => console.log('opened'));
fs.stat(pipe, () => console.log('stat'));
setImmediate(() => console.log('the event loop goes on'));
