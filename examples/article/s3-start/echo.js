// Sends each message back, with its pid.
process.on('message', (m) => process.send({ ...m, pid: process.pid }));
