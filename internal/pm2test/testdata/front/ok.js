const cluster = process.env.exec_mode === 'cluster_mode' // there PM2's own arguments follow
console.log('hello', cluster ? '' : process.argv.slice(2).join(' '), process.env.NODE_APP_INSTANCE, process.env.Q)
console.error('bad')
setInterval(() => console.log('tick'), 200)
