// Package runner turns one generation of one instance into a real process and
// back into facts: it spawns, joins standard output to the logs and the channel
// to the cluster, signals, and reports what happens. It decides nothing.
package runner

import (
	"encoding/json"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/spec"
)

// Key names one life of one instance.
type Key struct {
	ID  int
	Gen uint64
}

// Spawn asks for a process.
type Spawn struct {
	Key   Key
	App   spec.App // resolved; Name and Instances as of now
	Was   string   // the app's name until this life takes over; "" for the same
	Index int      // number within the app
	// Restarts and the rest of what the process is told of itself in its environment.
	Restarts int
	Standby  bool // of a cluster's worker: it is not to listen before Route
	Listens  bool // of a cluster's worker: those before it did, so it is to before it is ready
	// PID is the process that a former daemon had for this life, if it had one:
	// for Adopt, where nothing of the life is held.
	PID int
}

// Report is one fact about one life, in the order in which it happened for
// that life. Sealed: the types below.
//
//sumtype:decl
type Report interface{ report() }

// Spawned: the process exists.
type Spawned struct{ PID int }

// Adopted: the process of a former daemon exists, or has ended just now. What
// that daemon may have heard and not remembered is told again: Online, Listening, Ready.
type Adopted struct{ PID int }

// Lost: of the process of a former daemon there is nothing, or there never was
// one. Last report of its key, which may be spawned again.
type Lost struct{}

// SpawnFailed: there is no process and will be none for this key. The error
// carries a code (internal/fault). Last report of its key.
type SpawnFailed struct{ Err error }

// Online: the worker's runtime speaks on the channel; its program is about to run.
type Online struct{}

// Waiting: the worker is on standby and has come as far as to listen.
type Waiting struct{}

// Listening: the process serves this address ("tcp [::]:3000", "unix /run/x").
type Listening struct{ Address string }

// ListenFailed: the primary could not give a worker the address it asked for;
// the worker was told, and mostly dies of it.
type ListenFailed struct {
	Address string
	Err     error
}

// ProbeFailed: the process was asked whether it is ready, and is not yet.
type ProbeFailed struct{ Err error }

// Hung: the process has not answered, or told by itself that it lives, within its
// app's hang timeout. It is told once.
type Hung struct{}

// Worn: the worker has taken about as many connections as its app lets it.
type Worn struct{}

// Ready: the process said so on the channel (the message "ready") or its notify
// socket, or its probe succeeded.
type Ready struct{}

// Message: anything else the process sent.
type Message struct{ Data json.RawMessage }

// Leaving: the worker announced its end (Node's exitedAfterDisconnect, or the
// message {"act":"suicide"}).
type Leaving struct{}

// Disconnected: its end of the channel is closed.
type Disconnected struct{}

// Exited: the main process ended and was reaped. Its last output may still be
// on its way to the log; Log holds the last lines known, oldest first.
type Exited struct {
	Exit event.Exit
	Log  []string
}

// Gone: nothing of its process tree is left, and its output is on file. Last
// report of its key. It follows Exited.
type Gone struct{ Log []string }

func (Spawned) report()      {}
func (Adopted) report()      {}
func (Lost) report()         {}
func (SpawnFailed) report()  {}
func (Online) report()       {}
func (Waiting) report()      {}
func (Listening) report()    {}
func (ListenFailed) report() {}
func (ProbeFailed) report()  {}
func (Hung) report()         {}
func (Worn) report()         {}
func (Ready) report()        {}
func (Message) report()      {}
func (Leaving) report()      {}
func (Disconnected) report() {}
func (Exited) report()       {}
func (Gone) report()         {}
