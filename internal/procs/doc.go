// Package procs shows any process as the operating system shows it: who its
// parent is, what it is called, what it costs, what is below it.
//
// It reads /proc. What is read is a moment's truth: a process may end, and its
// number be given to another, between two calls. A [Stat] tells such lives
// apart by Start; who acts on a process opens a process descriptor first and
// compares Start after.
package procs
