// The child: each message asks for one computation, each answer is a message.
const { sum } = require('./sum');

process.on('message', ({ count }) => {
  process.send({ sum: sum(count) });
});
