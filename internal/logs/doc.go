// Package logs takes the lines that processes write and puts them on file:
// it cuts, stamps, keeps the last of them in memory, reads the files back from
// their end, and lets observers follow.
//
// One goroutine reads each pipe. While the pipe is silent it is parked in the
// runtime's poller: no thread, no buffer, no timer. One writer stands before
// each file, also when several instances share it; every write holds whole
// lines, so lines never mix. What must never happen is that a log stops an
// application: a pipe is drained whatever becomes of its file, and who follows
// too slowly misses lines and is told so.
//
// Order of locks: Store.mu, then file.mu, then follower.mu.
package logs
