console.log('x'); setTimeout(() => process.exit(7), 300)
