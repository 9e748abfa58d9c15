package ipc

import "os"

// Kind is what a frame is for.
type Kind int

const (
	Ordinary      Kind = iota // a message of the program's own
	Cluster                   // cmd NODE_CLUSTER
	HandleAck                 // the peer has taken a handle we sent
	HandleNack                // the peer found no handle with a message we sent
	OtherInternal             // any other message whose cmd begins with NODE_
)

// Frame is one received message.
type Frame struct {
	Kind   Kind
	Data   []byte  // JSON text without newline (the inner message when it came with a handle); valid only during fn
	Value  any     // the decoded message, in advanced serialization only; Data is then empty unless Kind is Cluster
	Handle *Handle // nil if none; fn owns it
	Bun    bool    // came with Bun's 0x02 prefix
}

// HandleType is the type word of a NODE_HANDLE envelope.
type HandleType string

const (
	NetServer   HandleType = "net.Server"
	NetSocket   HandleType = "net.Socket"
	NetNative   HandleType = "net.Native"
	BoundSocket HandleType = "net.BoundSocket"
	DgramSocket HandleType = "dgram.Socket"
	DgramNative HandleType = "dgram.Native"
)

// Handle is a socket that travels with a message.
type Handle struct {
	Type      HandleType
	File      *os.File // the socket, when received
	Key       string   // a net.Socket's, when a Node server accepted it
	DgramType string   // "udp4" or "udp6", of dgram.Socket
}
