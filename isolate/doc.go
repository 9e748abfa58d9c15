// Package isolate runs WebAssembly modules as threads: the same events, ports
// and exit codes as package thread has for goroutines, and what those cannot
// have: a memory of its own with a limit, and an end that even an endless loop
// obeys.
//
//	m, err := isolate.Compile(ctx, wasm, isolate.Config{MemoryLimit: 64 << 20})
//	defer m.Close(ctx)
//	t, err := m.New(isolate.Options{WorkerData: job})
//	err = t.Start(ctx)                       // ctx's deadline is the isolate's, too
//	for ev := range t.Events(ctx) { … }
//
// A module is a WASI command (preview 1), as many compilers make it:
//
//	GOOS=wasip1 GOARCH=wasm go build -o app.wasm .
//	cargo build --target wasm32-wasip1
//	clang --target=wasm32-wasi -o app.wasm app.c        # or wasm32 and -nostdlib
//	asc app.ts -o app.wasm --use abort=                 # AssemblyScript
//
// It sees its arguments, its environment, a clock, random numbers, two output
// streams and the files it is given: no other file, no network, no process.
//
//   - Exit code: what it gives to exit. A trap (unreachable code, a bad memory access,
//     endless recursion) is exit code 1 and a [thread.Failed] event with a [*TrapError].
//   - [thread.Thread.Terminate] and the deadline of Start's ctx stop it wherever it is.
//   - When it asks for more memory than the limit, it is refused; what it does then is up
//     to its language (a Go program ends with exit code 2).
//
// One isolate runs on one goroutine; several of one module run in parallel and
// share the compiled code, nothing else. Compiling is the dear part, some tenths
// of a second a megabyte; [Config].CacheDir saves it for the next process.
//
// # Messages
//
// A message is JSON text or raw bytes, and ports that travel with it. On the
// Go side of a port:
//
//	[]byte, *thread.Buffer           bytes, both ways ([]byte on receipt)
//	Message{Value, Ports}            a message with ports, both ways
//	anything else                    JSON, as encoding/json writes and reads it into any
//
// Text from a module that is no JSON is received as a [*thread.MessageError].
//
// # For modules
//
// The host functions, in the import module "tend". All parameters and results
// are i32 but timeout, which is i64. A port is a number; 0 leads to the parent.
//
//	post(port, kind, at, len)    sends len bytes at address at: kind 0 is JSON, 1 is bytes.
//	                             Waits while the queue there is full.
//	attach(port, other)          has the port other move with the next message posted on
//	                             port. Once that is sent, other is gone here; if it is not,
//	                             or attach says no, nothing is attached any more.
//	next(port, timeout, out)     waits for a message: timeout in milliseconds, 0 is not to
//	                             wait, -1 for ever. Writes three u32 at out: its length,
//	                             its kind, its number of ports.
//	take(port, at, ports)        copies the bytes of that message to at and the numbers of
//	                             its ports, as u32, to ports, and removes it.
//	channel(out)                 makes a channel; writes its two ports as u32.
//	close(port)                  closes a port's channel.
//
// They return 0, or
//
//	-1  the channel is closed, and nothing is left in it
//	-2  no such port
//	-3  a bad argument: an address outside the memory, an unknown kind, a port twice;
//	    from next: a message came that has no JSON, and was dropped
//	-4  timeout
//	-5  too long ([Config].MaxMessage), or too many ports
//
// In C, with no more than the compiler (the whole of it is testdata/square/square.c,
// the same in AssemblyScript is beside it, docs/protocol/isolate.md says more):
//
//	__attribute__((import_module("tend"), import_name("post")))
//	int post(int port, int kind, const void *at, int len);
//
//	void _start(void) { post(0, 0, "\"hello\"", 7); }
//
// For Go, package guest is this with types. Two environment variables say more:
// TEND_WORKER_DATA holds [Options].WorkerData in JSON, TEND_THREAD_ID the thread's ID.
package isolate
