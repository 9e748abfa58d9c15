// Package ipc speaks the child-process channel of Node.js: messages, and
// sockets that travel with them, over a connected Unix stream socket. Either
// end may be Node or Go. It knows no process: who is at the other end, and how
// it got its end, is the business of packages child and process.
//
// There are two layers. [Conn] is the non-blocking core for event loops, which
// serve many channels in one goroutine. [Channel] is for programs: its calls
// block, and it keeps Node's rules about order.
//
//	sender                                       receiver
//	  {"a":1}                          ──────▶     delivered
//	  NODE_HANDLE {type, msg} + socket ──────▶
//	                                   ◀──────     NODE_HANDLE_ACK, before msg is delivered
//	  … nothing else until the ACK …               msg delivered with its socket
//	  NODE_HANDLE, nothing with it     ──────▶
//	                                   ◀──────     NODE_HANDLE_NACK: nothing is delivered
//
// What would kill a Node process at the other end is never sent: a blank line,
// invalid JSON, an answer to no handle, a descriptor that is not the kind of
// socket its type says. Sockets are made non-blocking before they go, for Node
// does not do it and would hang on the first slow client.
//
// # What keeps a program running
//
// Node's channel.ref and channel.unref have no counterpart, for a channel holds no
// Go program: it ends when main returns. What Node does by itself is said outright:
//
//	Node                                    Go
//	on('message'): runs until disconnect    main loops over Messages, which end then
//	channel.unref()                         the loop is in a goroutine main does not wait for
//	channel.ref() again                     main waits for it
//	process.disconnect()                    Disconnect
//
// A Node child that listens for messages, and any worker of a cluster, runs until
// its Go parent calls Disconnect or Close; and a Node parent runs until its Go
// child does, or ends. Messages that came before the loop began wait for it.
//
// # Many messages
//
// Send returns when the kernel has the message: it arrives though this process ends.
// Post gathers messages and writes many at once, several times as fast, and
// needs a Flush where no Receive follows.
//
// Values are written and read as encoding/json has them, but several times as fast:
// structs, slices, pointers, maps with strings for keys, and any. What has methods of
// its own for JSON, embedded fields or the option string is encoding/json's to do; so
// is all of a value to be decoded that has a method for that anywhere in it, but of
// time.Time and json.RawMessage.
// [Channel.SetCodec] takes another library, [Channel.SendRaw] JSON that is there
// already, and [Message.Data] is what came, not decoded.
//
// # Back-pressure
//
// Send and Post wait while the peer does not read, so a sender goes as fast as the
// receiver. Who does not receive is not read from: the peer's Send waits in turn,
// and a Node peer's process.send returns false. Only while a call waits, for room or
// for an acknowledgement, messages are read and kept for a later Receive, up to
// [ConnOptions.MaxQueue], so that two that send to each other do not wait for each
// other; from there on the call waits for a Receive.
//
// # Over a process's death
//
// Received bytes are peeked at, handled, and only then consumed. If the process
// dies while another holds a duplicate of the channel, a successor finds each
// message whole; some it gets a second time. A line too long for that is
// consumed into memory that a [Spool] keeps. Frames of up to [AtomicFrame] bytes
// are sent whole or not at all for the same reason. [Channel] does without this.
package ipc

import (
	"errors"
	"fmt"
)

// AtomicFrame is how long a frame may be to be sent whole or not at all.
const AtomicFrame = 32 << 10

var (
	ErrClosed     = errors.New("channel is closed") // by us, or the peer is gone
	ErrWouldBlock = errors.New("channel is full")   // nothing was sent
	ErrQueueFull  = errors.New("too much is queued on the channel")
	ErrProtocol   = errors.New("the peer does not speak Node's IPC protocol")
	ErrTooLong    = errors.New("message is too long")
	ErrFrame      = errors.New("not a frame that can be sent")
)

// HandleError says why a descriptor was not sent.
type HandleError struct {
	Type   HandleType
	Reason string
}

func (e *HandleError) Error() string {
	if e.Type == "" {
		return "handle: " + e.Reason
	}
	return fmt.Sprintf("handle of type %s: %s", e.Type, e.Reason)
}
