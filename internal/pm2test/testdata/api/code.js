// PM2's own library pulls the checkout that an app runs in: it goes by what the daemon has noted
// of it. What apps from a file, and such with --no-vizion, have noted is compared, too.
const fs = require('fs')
fs.mkdirSync('checkout')
for (const name of ['app.js', 'two.config.json']) fs.copyFileSync(name, 'checkout/' + name)
process.chdir('checkout')
const pm2 = require(process.env.PM2_MODULE) // which notes the folder
const sh = line => require('child_process').execSync(line, { stdio: ['ignore', 'pipe', 'ignore'] }).toString().trim()
const commits = {}
const named = text => Object.entries(commits).reduce((t, [id, name]) => t.replaceAll(id, name).replaceAll(id.slice(0, 7), name), String(text))
const call = (name, ...args) => new Promise((ok, no) => pm2[name](...args, (err, v) => err ? no(err) : ok(v)))
const commit = name => { sh(`git add . && git commit -qm ${name} --allow-empty`); commits[sh('git rev-parse HEAD')] = name }
const pause = () => new Promise(ok => setTimeout(ok, 50))
// What the records say, once all that are to tell of a commit tell of this one.
const noted = async (...names) => {
  for (;;) {
    const list = (await call('list')).sort((a, b) => a.pm_id - b.pm_id), head = sh('git rev-parse HEAD')
    if (list.every(p => p.pm2_env.status === 'online' && (!names.includes(p.name) || p.pm2_env.versioning && p.pm2_env.versioning.revision === head))) {
      return list.map(p => {
        const v = p.pm2_env.versioning
        return [p.name, p.pm2_env.restart_time, v ? [named(v.revision), v.branch, v.comment.trim(), named(v.prev_rev), named(v.next_rev), v.repo_path === process.cwd()] : null]
      })
    }
    await pause()
  }
}
const pull = async (name, ...args) => {
  await call(name, ...args).then(v => console.log(name, args, 'gives', named(JSON.stringify(v))), e => console.log(name, args, 'fails'))
  console.log(JSON.stringify(await noted('js')), 'at', named(sh('git rev-parse HEAD')))
}
;(async () => {
  sh('git init -q --bare -b main ../origin.git && git init -q -b main && git remote add origin ../origin.git')
  for (const name of ['one', 'two', 'three']) commit(name)
  sh('git push -q -u origin main && git reset -q --hard HEAD~1')
  await call('connect')
  await call('start', 'two.config.json')
  console.log(JSON.stringify(await noted(...(await call('list')).map(p => p.name))))
  await call('delete', 'all')
  await call('start', { script: 'app.js', name: 'js' })
  await call('start', { script: 'app.js', name: 'none', vizion: false })
  console.log(JSON.stringify(await noted('js')))
  await pull('pullAndRestart', 'js')
  await pull('pullAndRestart', 'js')
  await pull('backward', 'js')
  await pull('backward', 'js')
  await pull('backward', 'js')
  await pull('forward', 'js')
  await pull('pullAndReload', 'js')
  await pull('pullAndReload', 'nobody')
  sh('git reset -q --hard HEAD~1')
  await call('restart', 'js')
  console.log(JSON.stringify(await noted('js')))
  pm2.disconnect()
  process.exit(0)
})().catch(e => { console.log('failed', e); process.exit(1) })
