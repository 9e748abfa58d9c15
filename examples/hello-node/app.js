// Answers each request with its pid. Nothing in here knows of a cluster:
//
//   tend start app.js -i 2 --env PORT=3000
const http = require('node:http');

const server = http.createServer((req, res) => {
  res.end(`hello from Node ${process.version}, pid ${process.pid}\n`);
});

server.listen(Number(process.env.PORT || 3000), () => {
  console.log(`pid ${process.pid} listens on port ${server.address().port}`);
});

process.on('SIGINT', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
