// What a program does by the methods of PM2's daemon, and hears of it. Errors are compared as
// such, not by their texts.
const pm2 = require(process.env.PM2_MODULE)
const call = (name, ...args) => new Promise((ok, no) => pm2[name](...args, (err, v) => err ? no(err) : ok(v)))
const seen = [], waiting = []
const look = () => { for (const w of waiting.slice()) if (seen.includes(w[0])) { waiting.splice(waiting.indexOf(w), 1); w[1]() } }
const note = text => { seen.push(text); look() }
const saw = async text => { await new Promise(ok => { waiting.push([text, ok]); look() }); console.log('  heard', text); seen.splice(seen.indexOf(text), 1) }
const brief = v => v && (v.file || v.error) ? Object.keys(v) : Array.isArray(v) ? v.map(brief) : v && v.pm2_env ? [v.pm2_env.pm_id, v.pm2_env.name, v.pm2_env.status, v.pm2_env.restart_time, v.pid > 0] : v
const sorted = v => JSON.stringify(v === undefined ? null : v, (_, o) => o && typeof o === 'object' && !Array.isArray(o) ? Object.fromEntries(Object.entries(o).sort()) : o)
const rpc = (name, ...args) => new Promise(ok => pm2.Client.client.call(name, ...args, (err, v) => {
  console.log(name, JSON.stringify(args).replace(process.env.PM2_HOME, '$PM2_HOME'), err ? 'fails' : sorted(brief(v)))
  ok(v)
}))
const list = async () => (await call('list')).sort((a, b) => a.pm_id - b.pm_id)
const only = (o, ...keys) => keys.map(k => k + ' ' + JSON.stringify(o[k]))
;(async () => {
  await call('connect')
  const bus = await call('launchBus')
  bus.on('*', (topic, p) => {
    const of = p.process && p.process.name
    if (topic.startsWith('log:') && topic !== 'log:PM2') note(`${topic} ${p.process.pm_id} ${p.data.trim()}`)
    else if (topic === 'process:event') note(`${p.event}${p.manually ? '!' : ''} ${of}`)
    else if (topic !== 'log:PM2' && !topic.startsWith('application:')) note(`${topic} ${of} ${JSON.stringify(p.data || p.raw)}`)
  })
  await call('start', { script: 'talk.js', name: 'a' })
  for (const topic of ['human:event', 'process:exception', 'axm:reply', 'my:own']) await saw(`${topic} a {"of":"${topic}"}`)
  await saw('process:msg a {"free":1}')
  await saw('log:err 0 to err')
  await saw('online a'); await saw('start! a')
  console.log((await list()).map(p => [p.pm2_env.axm_monitor.users.value, p.pm2_env.axm_actions.some(a => a.action_name === 'hi')]))

  await rpc('duplicateProcessId', 0).then(p => console.log('a copy', p.pid > 0))
  await rpc('duplicateProcessId', 9)
  while (!(await list()).every(p => p.pm2_env.axm_actions.some(a => a.action_name === 'hi'))) await new Promise(ok => setTimeout(ok, 50))
  console.log(brief(await list()))
  await rpc('startWatch', 'restartProcessId', { id: 0 }); console.log((await list())[0].pm2_env.watch)
  await rpc('toggleWatch', 'restartProcessId', { id: 0 }); console.log((await list())[0].pm2_env.watch)
  await rpc('toggleWatch', 'restartProcessId', { id: 0 }); console.log((await list())[0].pm2_env.watch)
  await rpc('stopWatch', 'stopProcessId', { id: 0 })
  let system = {}
  while (!system['fs:size:/']) system = await new Promise((ok, no) => pm2.Client.executeRemote('getSystemData', {}, (err, v) => err ? no(err) : ok(v || {})))
  for (const name of ['RAM Usage', 'RAM Total', 'fs:size:/']) console.log(name, only(system[name], 'type', 'unit', 'historic'), typeof system[name].value, system[name].value > 0)
  await rpc('notifyByProcessId', { id: 0, action_name: 'graceful', manually: true }); await saw('graceful! a')

  await rpc('sendLineToStdin', { pm_id: 0, line: 'hello' }); await saw('log:out 0 stdin hello')
  await rpc('sendLineToStdin', { pm_id: 9, line: 'hello' })
  await rpc('msgProcess', { name: 'a', msg: 'hi', opts: { x: 1 } })
  for (const id of [0, 1]) await saw(`log:out ${id} got {"name":"a","msg":"hi","opts":{"x":1}}`)
  await rpc('msgProcess', { id: 0, msg: 'hi' }); await saw('log:out 0 got "hi"')
  await rpc('msgProcess', { id: 0, msg: 'other' })
  await rpc('msgProcess', { name: 'a', msg: 'other' })
  await rpc('msgProcess', { msg: 'hi' })
  await rpc('msgProcess', { name: 'nobody', msg: 'm' })
  await rpc('sendDataToProcessId', { id: 0, type: 't' })
  await rpc('sendDataToProcessId', { id: 0, type: 't', data: {}, topic: 'u' }); await saw('log:out 0 got {"id":0,"type":"t","data":{},"topic":"u"}')
  await rpc('sendDataToProcessId', { id: 9, type: 't', data: {}, topic: 'u' })

  await rpc('restartProcessId', { id: 0 }).then(p => console.log('anew', p.pid > 0)); await saw('exit a'); await saw('online a')
  console.log(brief(await list()))
  await rpc('resetMetaProcessId', 0); await rpc('resetMetaProcessId', 9)
  await rpc('startProcessId', 0); await rpc('startProcessId', 9)
  await rpc('stopProcessId', 0); await rpc('stopProcessId', 0); await rpc('stopProcessId', 9)
  await rpc('startProcessId', 0).then(p => console.log('again', p.pid > 0))
  await rpc('restartProcessId', { id: 9 })
  await rpc('sendSignalToProcessId', { process_id: 9, signal: 'SIGUSR2' })
  await rpc('sendSignalToProcessName', { process_name: 'nobody', signal: 'SIGUSR2' })
  await rpc('monitor', 0); console.log(only((await list())[0].pm2_env, '_km_monitored'))
  await rpc('unmonitor', 0); console.log(only((await list())[0].pm2_env, '_km_monitored'))
  const report = await new Promise((ok, no) => pm2.Client.executeRemote('getReport', {}, (err, v) => err ? no(err) : ok(v)))
  console.log(only(report, 'pm2_version', 'managed_apps'), report.started_at > 1e12)

  for (const name of ['profileCPU', 'profileMEM']) await rpc(name, { pwd: process.env.PM2_HOME + '/' + name, timeout: 10 }).then(v => console.log(v.file === process.env.PM2_HOME + '/' + name && require('fs').statSync(v.file).size > 0))
  await rpc('profileCPU', { pwd: '/nowhere/at/all', timeout: 10 }).then(v => console.log(Object.keys(v)))

  // An app called as an id is not meant by it.
  await call('start', { script: 'talk.js', name: '0' })
  await rpc('stopProcessId', 0)
  console.log(brief(await list()))
  await rpc('deleteProcessId', 0); await rpc('deleteProcessId', 9)
  console.log(brief(await list()))
  await call('start', { script: 'dies.js', name: 'd', max_restarts: 2 }).catch(() => {})
  await saw('restart overlimit d')

  process.on('SIGQUIT', () => { console.log('told to leave'); process.exit(0) })
  bus.on('pm2:kill', p => console.log('pm2:kill', p.status))
  pm2.Client.executeRemote('killMe', { pid: process.pid }, () => {})
})().catch(e => { console.log('failed', e.message); process.exit(1) })
