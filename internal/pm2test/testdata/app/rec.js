// Notes what it is told, and stays.
const fs = require('fs')
const note = (o) => fs.appendFileSync(process.env.REC, JSON.stringify(o) + '\n')
const who = { id: Number(process.env.pm_id), name: process.env.name }
note({ ...who, what: 'start', args: process.argv.slice(2), main: require.main === module, cwd: process.cwd(),
  flags: process.execArgv.filter((f) => !f.startsWith('--require') && !f.endsWith('.cjs')), ipc: typeof process.send, env: process.env })
process.on('SIGINT', () => { note({ ...who, what: 'SIGINT' }); process.exit(0) })
process.on('SIGUSR2', () => note({ ...who, what: 'SIGUSR2' }))
process.on('message', (m) => { note({ ...who, what: 'message', message: m }); if (m === 'shutdown') process.exit(0) })
process.stdin.on('data', (d) => note({ ...who, what: 'stdin', data: String(d) }))
if (process.argv.includes('--ready')) setTimeout(() => process.send('ready'), 100)
if (process.argv.includes('--print')) { console.log('out line'); console.error('err line') }
setInterval(() => {}, 1000)
