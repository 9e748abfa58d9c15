// Package keeper is what must not die: the parent of the daemon. It is started
// by the first command, belongs to no terminal, owns the home (its lock, its
// socket), starts the daemon again when that dies, adopts and reaps what the
// daemon's processes leave behind, and ends when the daemon ends on purpose.
//
//	starter ── ready pipe ──► keeper ── the same pipe ──► daemon      "ok" or an error
//	             keeper ◄── control (SOCK_SEQPACKET) ──► daemon
//	             daemon inherits: control, lock, listener, ready pipe
//
// On the control socket one packet is one JSON object, with descriptors beside
// it where a type says so:
//
//	daemon ── {"type":"ready"} ────► keeper   I serve
//	daemon ── {"type":"ending"} ───► keeper   I end on purpose: end after me
//	daemon ── {"type":"binary"} + fd ► keeper   the program to start the next time
//	keeper ── {"type":"ask"} ──────► daemon   do you live? where a service manager asks the keeper
//	daemon ── {"type":"alive"} ────► keeper   I do
//	keeper ── {"type":"keeper","pid":N,"unit":true} ─► daemon   who I am; what I hold outlives me too
//	keeper ── {"type":"unknown","of":"…"} ─► daemon   I do not know that type
//
// What shall outlive the daemon is stored under a name: a descriptor, some JSON
// that only the daemon understands, and, with a pid, how that process ended, if
// it fell to the keeper.
//
//	daemon ── store name [pid] meta + fd ──► keeper   in place of what has the name
//	daemon ── update name meta ────────────► keeper
//	daemon ── delete name ─────────────────► keeper
//	daemon ── list ────────────────────────► keeper
//	keeper ── entry name pid meta [exited status] + fd ─► daemon   each, the oldest first
//	keeper ── end ─────────────────────────► daemon
//	keeper ── exited name pid status ──────► daemon   as soon as it is known
//	keeper ── error of name ───────────────► daemon   refused; nothing was changed
//
// A packet that was sent is the keeper's, though the daemon dies at once. A keeper
// answers what it does not know with "unknown", and closes what came with it, so
// that a newer daemon learns what an older keeper cannot do.
//
// When the daemon dies, the entries stay and the apps run on: the next one takes
// them over. When the daemon ends on purpose, or the keeper is told to end while
// there is none, all is let go of and what is left of the apps is ended. When the
// keeper dies the daemon starts another ([Inherit]) and stores everything anew.
// Where the keeper is the main process of a unit ([RunUnit]), the service manager
// has a copy of every descriptor, those of the keeper's own included, and starts
// the next keeper, which goes on where the former one was.
package keeper
