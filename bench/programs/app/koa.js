const { default: Koa } = require('koa')
const app = new Koa()
app.use(async (ctx) => {
  await new Promise((done) => setTimeout(done, 2))
  ctx.body = { pid: process.pid }
})
app.listen(Number(process.env.PORT), '127.0.0.1')
