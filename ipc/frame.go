package ipc

import (
	"fmt"

	"github.com/tendproc/tend/internal/wire"
)

// Kind is what a frame is for.
type Kind int

const (
	Ordinary      Kind = iota // a message of the program's own
	Cluster                   // cmd NODE_CLUSTER
	HandleAck                 // the peer has taken a handle we sent
	HandleNack                // the peer found no handle with a message we sent
	OtherInternal             // any other message whose cmd begins with NODE_
)

// String gives the kind's name in lower case.
func (k Kind) String() string {
	switch k {
	case Ordinary:
		return "ordinary"
	case Cluster:
		return "cluster"
	case HandleAck:
		return "handle ack"
	case HandleNack:
		return "handle nack"
	case OtherInternal:
		return "other internal"
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}

// Frame is one received message. Its memory is valid only during the call that
// got it.
type Frame struct {
	Kind Kind
	// Data is the JSON text, without newline; of a message that came with a
	// handle the message itself. That it is valid JSON finds out who decodes it.
	// In advanced serialization it is the JSON text of a cluster message, and
	// empty for others.
	Data   []byte
	Value  any     // the decoded message, in advanced serialization only
	Handle *Handle // nil if none; fn owns it
	Bun    bool    // came with Bun's 0x02 prefix

	kind wire.Kind
	size int // bytes on the wire
}

func kindOf(k wire.Kind) Kind {
	switch k {
	case wire.Ordinary:
		return Ordinary
	case wire.Cluster:
		return Cluster
	case wire.Ack:
		return HandleAck
	case wire.Nack:
		return HandleNack
	case wire.Handle, wire.GetCount, wire.Count, wire.NotifyClose, wire.AllClosed, wire.Unknown:
	}
	return OtherInternal
}
