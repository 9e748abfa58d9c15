// Has a child; both note their end.
const fs = require('fs')
const who = process.argv[2] === 'child' ? 'child' : 'parent'
const note = (what) => fs.appendFileSync(process.env.REC, JSON.stringify({ id: Number(process.env.pm_id), what: who + ' ' + what }) + '\n')
process.on('SIGINT', () => { note('SIGINT'); process.exit(0) })
if (who === 'parent') require('child_process').spawn(process.execPath, [__filename, 'child'], { stdio: 'ignore' })
note('start')
setInterval(() => {}, 1000)
