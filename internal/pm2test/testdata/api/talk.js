// An app that says all kinds of things, and what it is told.
process.on('message', m => console.log('got ' + JSON.stringify(m)))
process.stdin.on('data', d => console.log('stdin ' + String(d).trim()))
if (process.send) {
  for (const type of ['human:event', 'process:exception', 'axm:reply', 'my:own']) process.send({ type, data: { of: type } })
  process.send({ type: 'axm:monitor', data: { users: { value: 7 } } })
  process.send({ type: 'axm:action', data: { action_name: 'hi', arity: 0 } })
  process.send({ free: 1 })
}
console.error('to err')
setInterval(() => {}, 1 << 30)
