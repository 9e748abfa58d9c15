// Package wire turns bytes into the messages of Node's child-process channel
// and back: JSON lines, the envelopes in which handles travel, the messages of
// the cluster module, and V8's structured clone.
//
// It is pure: it owns no socket, reads no clock, and gives the same messages
// however the stream was cut. What it writes is safe for a Node peer, which
// dies of a blank line, of invalid JSON and of two texts on one line: user text
// is validated and compacted on the way out.
//
//	parent                                    child
//	  {"a":1}\n                      ◀──────▶   ordinary: any JSON value
//	  NODE_HANDLE {type, msg} + fd   ◀──────▶   NODE_HANDLE_ACK or _NACK, at once
//	  NODE_CLUSTER {act, seq}        ◀──────▶   NODE_CLUSTER {ack, seq}
//
// A message is internal, never shown to the program, when it is an object whose
// member cmd is a string longer than five characters that begins with "NODE_".
package wire
