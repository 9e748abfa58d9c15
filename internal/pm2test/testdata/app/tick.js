// Writes on both streams, again and again.
setInterval(() => { console.log('out line'); console.error('err line') }, 200)
