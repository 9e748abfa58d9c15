// PM2's own library installs a module, and has the daemon run it. What it prints by itself, and
// npm does, is not compared.
const pm2 = require(process.env.PM2_MODULE)
const call = (name, ...args) => new Promise((ok, no) => pm2[name](...args, (err, v) => err ? no(err) : ok(v)))
const say = (...words) => process.stdout.write('\n| ' + words.map(w => JSON.stringify(w)).join(' ') + '\n')
const brief = p => [p.pm_id, p.name, p.pm2_env.status, p.pm2_env.pmx_module === true, String(p.pm2_env.env.days), p.pm2_env.version]
;(async () => {
  await call('connect')
  await call('install', 'mymod', {})
  await call('start', { script: 'talk.js', name: 'a' })
  say((await call('list')).map(brief))
  await call('stop', 'all')
  say((await call('list')).map(brief))
  await call('delete', 'all')
  await call('stop', 'all').catch(() => say('nothing is left to stop'))
  await call('uninstall', 'mymod')
  say((await call('list')).map(brief))
  pm2.disconnect()
  process.exit(0)
})().catch(e => { say('failed', e.message); process.exit(1) })
