// Takes what comes, gives what is asked for; ends with the channel.
const { take, give } = require('./handles');

process.on('message', (m, handle) => {
  if (m.give) give(process, m.give, (read) => process.send({ gave: m.give, read }));
  else take(m, handle);
});
