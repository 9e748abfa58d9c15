// A cluster worker that listens, and notes its start.
const fs = require('fs')
require('http').createServer((q, s) => s.end('ok')).listen(0, '127.0.0.1', () => {
  fs.appendFileSync(process.env.REC, JSON.stringify({ id: Number(process.env.pm_id), name: process.env.name, what: 'listens', instance: process.env.NODE_APP_INSTANCE }) + '\n')
})
