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
//	keeper ── {"type":"unknown","of":"…"} ─► daemon   I do not know that type
//
// The types of a descriptor store (store, update, delete, list) will join them.
// A keeper answers what it does not know with "unknown", and closes what came
// with it, so that a newer daemon learns what an older keeper cannot do.
package keeper
