// The child's half: answers messages, whatever language its parent is in.
// It shows what JSON keeps and what it does not.
process.on('message', (m) => {
  if (m === 'bye') {
    process.disconnect();
    return;
  }
  process.send({ got: m, type: Array.isArray(m) ? 'array' : m === null ? 'null' : typeof m });
});
process.on('internalMessage', (m) => {
  if (m.cmd === 'NODE_DEMO') process.send('an internal message never reaches the program');
});
process.on('disconnect', () => console.log('child: disconnected'));
process.send({ hello: 'from the child', channel: process.channel !== undefined });
