module.exports = { apps: [{ name: 'longername', script: 'ok.js', instances: 2 }] }
