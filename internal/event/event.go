// Package event holds the facts the system tells: the snapshot of everything
// at one moment, the events that change it, and the bus that carries them to
// observers.
package event

import (
	"encoding/json"
	"time"

	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/spec"
)

// Snapshot is all state at one moment.
type Snapshot struct {
	Seq       uint64     `json:"seq"` // of the last event it contains
	At        time.Time  `json:"at"`
	Apps      []App      `json:"apps"`      // none in a brief one
	Instances []Instance `json:"instances"` // by id
}

// Query says what a snapshot is needed for.
type Query struct {
	Usage bool // sample CPU and memory now
	Brief bool // leave the apps out: their environments are most of what there is
	Table bool // leave out also what tables do not show: see [AppendTable]
	Specs bool // tell each instance's own declaration: those of one name may differ
}

// App is a declared app as the daemon knows it.
type App struct {
	Spec      spec.App `json:"spec"`
	Listening []string `json:"listening,omitempty"` // addresses its workers serve, as "tcp [::]:3000"
	// Variants are the instances that are declared otherwise than the first, by id:
	// two apps of a file may have one name, and a reload may be half way.
	Variants map[int]spec.App `json:"variants,omitempty"`
}

// Of is the declaration of an instance of the app.
func (a *App) Of(id int) spec.App {
	if v, ok := a.Variants[id]; ok {
		return v
	}
	return a.Spec
}

// Instance is one numbered slot of an app and the process that fills it now.
type Instance struct {
	ID        int             `json:"id"` // unique in the daemon, kept over restarts and reloads
	App       string          `json:"app"`
	Namespace string          `json:"namespace"`
	Index     int             `json:"index"` // number within the app, from 0
	Mode      spec.Mode       `json:"mode"`
	Goal      lifecycle.Goal  `json:"goal"`
	Phase     lifecycle.Phase `json:"phase"`
	Gen       uint64          `json:"gen"`
	PID       int             `json:"pid"`                 // 0 when there is no process
	CreatedAt time.Time       `json:"created_at"`          // of the instance
	StartedAt time.Time       `json:"started_at,omitzero"` // of the process
	WakeAt    time.Time       `json:"wake_at,omitzero"`    // in Backoff: when it is spawned again
	Restarts  int             `json:"restarts"`            // since created or reset
	Unstable  int             `json:"unstable"`            // short lives in a row
	Reason    string          `json:"reason,omitempty"`    // why it is in this phase, when that is not what was asked for
	LastExit  *Exit           `json:"last_exit,omitempty"`
	OutFile   string          `json:"out_file"`
	ErrorFile string          `json:"error_file"`
	Version   string          `json:"version,omitempty"` // of the app, by its package.json
	Module    string          `json:"module,omitempty"`  // the installed module that it is of
	Held      bool            `json:"held,omitempty"`    // its start waits for what it depends on; Reason names it
	Standby   bool            `json:"standby,omitempty"` // it is ready and gets no traffic until another one dies
	Watch     bool            `json:"watch,omitempty"`   // it is replaced when files change
	User      string          `json:"user,omitempty"`    // who tend runs as, where that is known
	CronAt    time.Time       `json:"cron_at,omitzero"`  // when its pattern comes due next
	Said      *Said           `json:"said,omitempty"`    // what its process told of itself on its channel
	Usage     *Usage          `json:"usage,omitempty"`   // only in a snapshot that asked for it
	Spec      *spec.App       `json:"spec,omitempty"`    // likewise
}

// Said is what a process told of itself, in the words of PM2's agent, undecoded. It
// is never changed: what is new is a new one.
type Said struct {
	Monitor     map[string]json.RawMessage `json:"monitor,omitempty"` // metrics by name; those that tend adds, only in a list
	Actions     []json.RawMessage          `json:"actions,omitempty"` // what it does when it is asked to
	Options     map[string]json.RawMessage `json:"options,omitempty"`
	NodeVersion string                     `json:"node_version,omitempty"`
}

// Exit says how a process ended.
type Exit struct {
	Gen    uint64 `json:"gen"`
	PID    int    `json:"pid"`
	Code   int    `json:"code"`             // -1 when ended by a signal
	Signal string `json:"signal,omitempty"` // "SIGKILL"
	Core   bool   `json:"core,omitempty"`
	// OutOfMemory: something of the process tree was killed for using more than --memory-limit.
	OutOfMemory bool      `json:"out_of_memory,omitempty"`
	At          time.Time `json:"at"`
}

// Usage is what a process tree costs.
type Usage struct {
	CPU float64 `json:"cpu"` // percent of one CPU since the last sample, else since the start
	RSS uint64  `json:"rss"` // bytes
}

// Event is one fact, in the one order in which the supervisor decided.
type Event struct {
	Seq      uint64          `json:"seq"`
	At       time.Time       `json:"at"`
	Type     Type            `json:"type"`
	Instance *Instance       `json:"instance,omitempty"` // its state after the event
	Message  json.RawMessage `json:"message,omitempty"`  // Type Message
	Topic    string          `json:"topic,omitempty"`    // Type Message: its type, else "process:msg"
	Cursor   string          `json:"cursor,omitempty"`   // Types Message, Begin and Gap: what an observer that comes back goes on after
	Files    []string        `json:"files,omitempty"`    // Type FilesChanged: below the app's folder, or absolute; none if there were too many
	Snapshot *Snapshot       `json:"snapshot,omitempty"` // Types Begin and Gap
}

// Type names a kind of event.
type Type string

const (
	Begin    Type = "begin"    // first of a stream: all state before it
	Gap      Type = "gap"      // the observer fell behind; here is all state anew
	Created  Type = "created"  // an instance came to be
	Changed  Type = "changed"  // its goal, phase, pid or options changed
	Exited   Type = "exited"   // its process ended
	Deleted  Type = "deleted"  // the instance is gone
	Message  Type = "message"  // its process sent a message on the channel
	Listened Type = "listened" // its process serves one more address

	FilesChanged Type = "files_changed" // files that are watched for it: it is replaced
)

// Outcome is what a command did to the instances it named.
type Outcome struct {
	Instances []Instance `json:"instances"`
	Warnings  []string   `json:"warnings,omitempty"`
}

// Applied is what a configuration file changed, or with a dry run would change.
type Applied struct {
	Changes []Change `json:"changes"` // in the order of the file, then what was deleted
	Outcome
}

// Change is what became of one app.
type Change struct {
	App    string            `json:"app"`
	Do     Do                `json:"do"`
	Fields []spec.Difference `json:"fields,omitempty"`
	From   int               `json:"from"` // number of instances before
	To     int               `json:"to"`   // and after
}

// Do says how an app came to be as declared.
type Do string

const (
	DoKeep    Do = "keep"    // it was so already
	DoStart   Do = "start"   // it was not known, or did not run
	DoRestart Do = "restart" // its processes were ended and started anew
	DoReload  Do = "reload"  // its processes were replaced
	DoUpdate  Do = "update"  // only what tend itself goes by changed; its processes run on
	DoScale   Do = "scale"   // only their number changed
	DoDelete  Do = "delete"  // it is not declared any more
)

// LogLine is one line that a process wrote.
type LogLine struct {
	ID     int       `json:"id"`
	App    string    `json:"app"`
	Stream string    `json:"stream"`      // "out" or "err"
	At     time.Time `json:"at,omitzero"` // unknown for lines read back from a file
	Text   string    `json:"text"`        // without its newline
}

// Info is what a daemon says of itself.
type Info struct {
	Version   string    `json:"version"`
	API       int       `json:"api"`
	PID       int       `json:"pid"`
	KeeperPID int       `json:"keeper_pid"`
	Home      string    `json:"home"`
	StartedAt time.Time `json:"started_at"`
}
