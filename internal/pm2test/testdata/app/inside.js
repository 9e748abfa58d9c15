// Gives PM2 the commands that are its arguments, one after the other, and notes how
// each ended, once what it started runs; one that begins with "once:" only in its
// first life, and unnoted.
const fs = require('fs')
const { spawn } = require('child_process')
const note = (o) => fs.appendFileSync(process.env.REC, JSON.stringify({ id: Number(process.env.pm_id), name: process.env.name, ...o }) + '\n')
note({ what: 'start' })
process.on('SIGINT', () => { note({ what: 'SIGINT' }); process.exit(0) })
const starts = () => fs.readFileSync(process.env.REC, 'utf8').split('"what":"start"').length
const grown = (from, then) => {
  const look = () => {
    if (starts() <= from) return
    w.close()
    then()
  }
  const w = fs.watch(process.env.REC, look)
  look()
}
const next = (list) => {
  if (!list.length) return
  const once = list[0].startsWith('once:')
  const flag = process.env.REC + '.once'
  if (once && fs.existsSync(flag)) return next(list.slice(1))
  if (once) fs.writeFileSync(flag, '')
  const words = [...process.env.PM2CMD.split(' '), ...list[0].replace('once:', '').split(' ')]
  const before = starts()
  spawn(words[0], words.slice(1), { stdio: 'ignore' }).on('exit', (code) => {
    const then = () => {
      if (!once) note({ what: 'called', command: list[0], code })
      next(list.slice(1))
    }
    if (code === 0 && /^re|^start/.test(list[0])) grown(before, then)
    else then()
  })
}
next(process.argv.slice(2))
setInterval(() => {}, 1000)
