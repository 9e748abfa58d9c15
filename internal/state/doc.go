// Package state keeps a map of small JSON values in a folder so that after any
// crash it is as it was before a change or after it, never half.
//
//	state.json          a snapshot: one line with its format and checksum, then the values
//	state.json.copy     the same once more, for when the first is damaged
//	state.json.bad-…    what could not be read, moved aside
//	state.journal       what changed since the snapshot: a line each, with a checksum
//
// A value that [Store.Put] has returned for is with the kernel: it outlives this
// process, however that ends. It is on the disk, and outlives the machine, once
// [Store.Sync] has returned, and mostly soon after without it.
//
// A journal is read up to its first bad line: what a crash of the machine left
// unfinished is dropped, and nothing that came after it can be trusted either.
// The journal names the snapshot that it continues; one that continues another
// is not read, so it makes no difference in which order two files reach the disk.
//
// When the disk is full, or refuses, the old files stay as they are and the map
// goes on in memory; with each later change it is tried again, not more often
// than once a second, to write all of it anew. With a [Options].Spare that is kept
// elsewhere, it outlives this process all the same.
package state
