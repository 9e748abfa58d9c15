// A cluster's worker: says which process answers.
require('net').createServer((c) => c.end(String(process.pid))).listen(0, '127.0.0.1');
