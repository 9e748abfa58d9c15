// Answers with its pid, after as long as a small query to a database takes.
const http = require('node:http');

const pid = String(process.pid);
http.createServer((req, res) => setTimeout(() => res.end(pid), 2)).listen(Number(process.env.PORT));
