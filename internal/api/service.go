// Package api is the control contract: the [Service] that every face speaks,
// its client and its server on a Unix socket, and the error codes they share.
package api

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/spec"
)

// Version is the version of the wire form. It is part of every path ("/v1/…").
const Version = 1

// Service is everything one can ask of a daemon. The supervisor answers it in
// process, [Client] over the socket; a caller cannot tell which. All methods
// may be called from any goroutine. Errors carry a code: see internal/fault.
//
// A command returns when it is complete: the next List shows its result. When
// ctx ends first the command goes on in the daemon; only the wait is over.
type Service interface {
	Ping(ctx context.Context) (event.Info, error)

	// List returns all state, as far as q asks for it.
	List(ctx context.Context, q event.Query) (event.Snapshot, error)

	// Jlist is the list as jlist prints it, asked for usage and metrics: one line of JSON.
	Jlist(ctx context.Context, form Form) (json.RawMessage, error)

	// Start, Restart, Reload and Rollback return once every instance is up, or with the
	// first one's reason, fault.StartFailed and its last log lines.
	Start(ctx context.Context, req spec.Start) (event.Outcome, error)
	Restart(ctx context.Context, req spec.Act) (event.Outcome, error)
	Reload(ctx context.Context, req spec.Act) (event.Outcome, error)
	Rollback(ctx context.Context, req spec.Act) (event.Outcome, error)
	// Stop and Delete return once the whole process tree is gone.
	Stop(ctx context.Context, req spec.Act) (event.Outcome, error)
	Delete(ctx context.Context, req spec.Act) (event.Outcome, error)
	Reset(ctx context.Context, req spec.Act) (event.Outcome, error)
	// Apply makes the apps of a configuration file what it says: none of them, with an
	// error that names app and key, unless all can be resolved.
	Apply(ctx context.Context, req spec.Apply) (event.Applied, error)
	// Annotate lays Options.Shown over the declarations, and turns watching on or off;
	// the processes go on.
	Annotate(ctx context.Context, req spec.Act) (event.Outcome, error)
	// Scale sets the number of instances of an app: "4", "+2", "-1".
	Scale(ctx context.Context, app, number string) (event.Outcome, error)

	Signal(ctx context.Context, target, signal string) (event.Outcome, error)
	// WriteLine writes line and a newline to the standard input of instance id.
	WriteLine(ctx context.Context, id int, line string) error

	// Message sends a JSON value to the process of instance id, on its channel.
	Message(ctx context.Context, id int, message json.RawMessage) error

	// Watch calls fn with a Begin event and then with each event in order,
	// until ctx ends or fn returns an error, which it returns. After the cursor
	// of an event, of this daemon or a former one, it tells the messages since;
	// "" is from now on.
	Watch(ctx context.Context, after string, fn func(event.Event) error) error
	// Logs calls fn with the last lines of the files asked for, oldest first
	// per file, then, with Follow, with each new line until ctx ends.
	Logs(ctx context.Context, req LogsRequest, fn func(event.LogLine) error) error
	// Flush empties the log files of what target names ("" for all).
	Flush(ctx context.Context, target string) error
	// ReopenLogs opens every log file anew by its name.
	ReopenLogs(ctx context.Context) error

	// Profile measures the daemon itself, and returns what go tool pprof reads. One
	// at a time: the next is a fault.Conflict.
	Profile(ctx context.Context, req ProfileRequest) (Profile, error)

	// Upgrade makes the daemon the program at path, an absolute one, while the
	// apps run on. It returns only with the reason why it did not: after an upgrade
	// fault.Unavailable, since who was asked is gone, and Ping tells the rest.
	Upgrade(ctx context.Context, path string) error

	// Kill stops everything, then the daemon and its keeper. It returns once
	// the processes are gone, just before the daemon exits.
	Kill(ctx context.Context) error
}

// ProfileRequest asks for a profile of the daemon.
type ProfileRequest struct {
	Kind string        `json:"kind"` // "cpu", or "mem" for what it holds at the end
	For  time.Duration `json:"for"`  // how long to measure, at most an hour
}

// Profile is what was measured, in the format of pprof.
type Profile struct {
	Data []byte `json:"data"`
}

// Form is the form of a record in a jlist.
type Form string

const (
	OwnForm Form = "tend" // what scripts made for PM2 read, and more
	PM2Form Form = "pm2"  // PM2's, key by key
)

// LogsRequest selects log lines.
type LogsRequest struct {
	Target string `json:"target"` // "" or "all", a name, id, namespace or /regex/
	Lines  int    `json:"lines"`  // how many of the end of each file; 0 none
	Stream string `json:"stream"` // "out", "err" or "" for both
	Follow bool   `json:"follow"`
}
