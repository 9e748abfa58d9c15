package cluster

import "strconv"

// Scheduler says how connections reach the workers that share a socket.
type Scheduler int

const (
	RoundRobin Scheduler = iota // the primary accepts and hands out
	Shared                      // all workers accept from one socket
	ReusePort                   // a socket for each worker, steered by the kernel; TCP only, else Shared
)

func (s Scheduler) String() string {
	switch s {
	case RoundRobin:
		return "rr"
	case Shared:
		return "shared"
	case ReusePort:
		return "reuseport"
	}
	return "Scheduler(" + strconv.Itoa(int(s)) + ")"
}

// EventType names what happened to a worker.
type EventType int

const (
	WorkerOnline         EventType = iota + 1 // its runtime speaks; the program is about to run
	WorkerDrains                              // it has the Preload: tell a later primary, in WorkerOptions
	WorkerWaiting                             // on standby, it waits for Address: see Primary.Route
	WorkerListening                           // it serves Address
	WorkerListenFailed                        // it asked for Address and was answered with Err
	WorkerClosedListener                      // it no longer serves Address
	WorkerMessage                             // the program sent Message
	WorkerPong                                // it answered Primary.Ping
	WorkerWorn                                // it has taken so many connections, again and again: see WorkerOptions.Worn and WornVar
	WorkerLeaving                             // it announced that it is going
	WorkerDisconnected                        // its channel ended: the last event of the worker
)

func (t EventType) String() string {
	names := [...]string{
		"none", "online", "drains", "waiting", "listening", "listen failed", "closed listener",
		"message", "pong", "worn", "leaving", "disconnected",
	}
	if t < 0 || int(t) >= len(names) {
		return "EventType(" + strconv.Itoa(int(t)) + ")"
	}
	return names[t]
}

// Event is one fact about a worker. Its Message is the receiver's to keep.
type Event struct {
	Worker  uint64
	Type    EventType
	Address string // "tcp [::]:3000", "udp 0.0.0.0:53", "unix /run/app.sock"
	Err     error  // WorkerListenFailed; WorkerDisconnected: nil for an orderly end
	Message []byte // WorkerMessage: JSON text
}
