// A module that notes its start, and what it was told.
require('fs').appendFileSync(process.env.REC, JSON.stringify({ id: +process.env.pm_id, what: 'module', cwd: process.cwd(), days: process.env.days, all: process.env.mymod }) + '\n')
setInterval(() => {}, 1000)
