// The server under test: answers with its pid.
const http = require('node:http');

const pid = String(process.pid);
http.createServer((req, res) => res.end(pid)).listen(Number(process.env.PORT));
