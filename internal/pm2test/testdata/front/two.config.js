module.exports = { apps: [
  { name: 'a', script: 'ok.js', args: 'of a', env_x: { Q: 'from x' } },
  { name: 'longername', script: 'ok.js', instances: 2 },
] }
