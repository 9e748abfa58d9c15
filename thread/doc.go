// Package thread is Node's worker_threads for Go: units of work that share no
// memory by accident. They are given copies, talk through message ports, fail
// alone and end with an exit code.
//
//	t, err := thread.New(work, thread.Options{WorkerData: job})
//	err = t.Start(ctx)
//	for ev := range t.Events(ctx) { … }     Online, Message…, Failed, Exited
//
//	func work(ctx context.Context, self *thread.Self) error {
//		job := self.WorkerData().(Job)       // a copy
//		return self.Port().Post(result)      // a copy
//	}
//
// # What a thread is
//
// A goroutine, or with [Options].LockOSThread one that has an OS thread to
// itself. It runs in parallel with all others and costs some kilobytes. What
// that means:
//
//   - A panic, runtime.Goexit or returned error ends this thread only: exit code 1
//     and a [Failed] event. A panic in a goroutine that the entry itself starts, and
//     what Go calls fatal (concurrent map writes, out of memory, stack overflow),
//     ends the whole process, as always in Go.
//   - It cannot be killed. [Thread.Terminate] cancels its context; an entry that
//     never looks at it runs on. Node can end a worker in an endless
//     loop; in Go that takes package isolate or a child process.
//   - It has no memory limit: there is nothing like Node's resourceLimits for a
//     goroutine. Again: package isolate, or a child process.
//   - Variables of a package, and what the entry closes over, are shared as in any Go
//     program. Only what goes through WorkerData and ports is copied.
//
// # Messages are copies
//
// What is posted is cloned at once ([Clone] has the rules): the sender may change
// it afterwards, and the receiver gets the same Go type. What has no clone is a
// [*CloneError] that names the place in the value, and nothing was sent. Three
// kinds are not copied:
//
//   - errors, times, compiled regular expressions and a few others that nobody
//     changes pass as they are, so errors.Is(err, io.EOF) holds on both sides.
//   - [Transferable]s in the transfer list, a [*Port] or [*Buffer], move: the
//     receiver has them, and the sender's are unusable ([ErrDetached]).
//   - A [*Shared] is the same memory on both sides, deliberately.
//
// # Ports
//
//	port 1 ──Post──▶ [ queue ] ──Receive──▶ port 2
//	       ◀─Receive─ [ queue ] ◀──Post────
//
// Messages wait in the receiver's queue until someone receives, also while the
// port itself is on its way to another thread; so nothing is lost before a
// listener is there. When either end closes, what was posted before still
// arrives, then Receive says io.EOF. A thread's end closes its ports: the parent
// port, and those that reached it in messages.
package thread
