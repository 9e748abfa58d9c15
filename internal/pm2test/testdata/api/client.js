// What a program does by PM2's API, and what it sees of it.
const pm2 = require(process.env.PM2_MODULE)
const call = (name, ...args) => new Promise((ok, no) => pm2[name](...args, (err, v) => err ? no(err) : ok(v)))
const seen = [], waiting = []
const saw = text => new Promise(ok => { waiting.push([text, ok]); look() })
function look () {
  for (const w of waiting.slice()) if (seen.includes(w[0])) { waiting.splice(waiting.indexOf(w), 1); w[1]() }
}
const note = text => { seen.push(text); look() }
const state = async what => console.log(what, JSON.stringify((await call('list')).map(p => [p.pm_id, p.name, p.pm2_env.status, p.pm2_env.restart_time, p.pm2_env.exec_mode])))
;(async () => {
  await call('connect')
  const bus = await call('launchBus')
  bus.on('log:out', p => note(p.process.name + ' ' + p.data.trim()))
  bus.on('process:event', p => note(p.event + ' ' + p.process.name))
  bus.on('process:msg', p => note('msg ' + p.process.name + ' ' + JSON.stringify(p.data || p.raw)))
  await state('empty')
  await call('start', { script: 'app.js', name: 'a', env: { N: 1 } })
  await state('started')
  await saw('a up'); await saw('online a')
  await call('start', { script: 'app.js', name: 'w', instances: 2, exec_mode: 'cluster' })
  await state('workers')
  console.log('describe', (await call('describe', 'a')).map(p => [p.name, String(p.pm2_env.env.N)]))
  await call('sendSignalToProcessName', 'SIGUSR2', 'a'); await saw('a SIGUSR2')
  await call('sendDataToProcessId', 0, { type: 'process:msg', data: { x: 1 }, topic: 'hi' }); await saw('a got hi')
  await call('restart', 'a'); await state('restarted'); await saw('restart a')
  await call('reload', 'w'); await state('reloaded')
  await call('stop', 'a'); await state('stopped'); await saw('exit a')
  await call('flush', 'a')
  await call('dump'); console.log('dump', JSON.parse(require('fs').readFileSync(process.env.PM2_HOME + '/dump.pm2')).length)
  await call('delete', 'all'); await state('deleted'); await saw('exit w')
  await call('start', 'two.config.json'); await state('file')
  await call('delete', 'all')
  pm2.disconnect(); console.log('end'); process.exit(0)
})().catch(e => { console.log('failed', e); process.exit(1) })
