// Asks again and again, half by WebSocket and half by long polling, until its
// standard input ends; then says how many questions had an answer.
const { io } = require('socket.io-client')
const retries = Number(process.env.RETRIES)
let sent = 0, answered = 0, closed = 0, over = false, longest = 0, last = Date.now()
const ask = (s) => {
  if (over) return s.close()
  sent++
  const emitter = retries ? s : s.timeout(10000)
  emitter.emit('ask', sent, (err) => {
    if (!err) {
      answered++
      longest = Math.max(longest, Date.now() - last)
      last = Date.now()
    }
    setTimeout(ask, 1, s)
  })
}
for (let i = 0; i < 8; i++) {
  const s = io(`http://127.0.0.1:${process.env.PORT}`, { transports: [i % 2 ? 'websocket' : 'polling'], forceNew: true, reconnectionDelay: 10, reconnectionDelayMax: 50, ...(retries && { retries, ackTimeout: 1000 }) })
  s.once('connect', () => ask(s))
  s.on('disconnect', () => closed++)
}
process.stdin.resume().on('end', () => {
  over = true
  setTimeout(() => { console.log(JSON.stringify({ sent, answered, closed, longest })); process.exit(0) }, 2500)
})
