// A server that asks itself something now and then.
const http = require('http')
const server = http.createServer((req, res) => res.end('ok')).listen(0, '127.0.0.1', () => {
  const { port } = server.address()
  setInterval(() => http.get({ port, agent: false }, (res) => res.resume()), 100)
})
