// Package child starts programs and sees to their end: any layout of
// descriptors, a channel as Node's child_process.fork gives, signals to one
// process or to everything it started, an escalating stop, and exactly one wait.
//
// A running child costs a descriptor and a parked goroutine, never a thread:
// the kernel's process descriptor (pidfd) waits in the runtime's poller. All
// signals go through process descriptors too, so none can reach a process that
// merely took over a number.
//
// [Start] gives streams, [Exec] and [ExecFile] gather output with a bound, [Fork]
// and [ForkSelf] open a channel, [Run] lasts as long as a ctx: Node's spawn, exec,
// execFile and fork. [Find] and [StopNamed] are for processes of other parents,
// [Reaper] is for a program that is the first of a container.
//
// # The tree
//
// Every child leads a process group of its own, or a session ([Command].Session),
// and carries a marker in its environment ([MarkerVar]). What belongs to its
// tree is found by that: children and their children; members of the process
// group; members of any session started inside; and whoever else inherited the
// marker, wherever it was re-parented, also what a child that uses this package
// started in its turn. A process that leaves its parent, its
// group and its session and also wipes its environment, all of this before
// anyone looks, is not found.
//
// # Exactly one wait
//
// The package reaps each child it starts, once, as soon as it ends. A program
// that also calls wait4(-1) or ignores SIGCHLD takes the exit status away;
// the child then shows [Exit].Code -1 and no signal. A [Reaper] does not.
package child
