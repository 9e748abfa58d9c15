package supervisor

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/runner"
	"github.com/tendproc/tend/internal/spec"
)

// How long a process must stay up to count as up, where it does not tell.
const (
	proveProgram = 300 * time.Millisecond // after exec
	proveRuntime = 500 * time.Millisecond // after exec: Node takes up to 200 ms to reach the program
	proveWorker  = time.Second            // after its runtime came online
)

// leastWindow is the window of the restart intensity for short series.
const leastWindow = time.Minute

// slot is one instance. All of it is the loop's.
type slot struct {
	id        int
	index     int
	spec      spec.App  // of the current life
	next      *spec.App // of the generation from nextGen on, during a reload with options
	nextGen   uint64
	created   time.Time
	state     lifecycle.State
	view      event.Instance // as last published
	lastExit  *event.Exit
	last      words               // of the generation that ended last
	listening map[uint64][]string // addresses by generation
	tickets   []ticket
	deleted   bool
	kept      []byte // as last remembered
	specKept  bool   // spec and next are remembered as they are
}

// words are what is known of why a generation ended.
type words struct {
	gen uint64
	log []string
	err error // why it could not be spawned
}

// ticket is something that waits for a slot: it is tried after every change of
// the slot and once when it is put there, until it says that it is over.
type ticket func(sl *slot) (over bool)

// await adds t.
func (sl *slot) await(t ticket) {
	if !t(sl) {
		sl.tickets = append(sl.tickets, t)
	}
}

// settle tries the tickets.
func (sl *slot) settle() {
	if len(sl.tickets) == 0 {
		return
	}
	tickets := sl.tickets
	sl.tickets = nil
	kept := slices.DeleteFunc(tickets, func(t ticket) bool { return t(sl) })
	sl.tickets = append(kept, sl.tickets...)
}

// same says that the slot is declared as a, the number of instances apart.
func (sl *slot) same(a spec.App) bool {
	a.Instances = sl.spec.Instances
	return reflect.DeepEqual(&sl.spec, &a)
}

// app is the declaration that the next spawn takes.
func (sl *slot) app() spec.App {
	if sl.next != nil {
		return *sl.next
	}
	return sl.spec
}

func (sl *slot) policy() lifecycle.Policy {
	a := sl.app()
	p := lifecycle.Policy{
		Cluster: a.Mode == spec.Cluster, Overlap: a.Overlaps(), WaitReady: a.WaitReady || a.Probe != "",
		Autorestart: a.Autorestart, StopExitCodes: a.StopExitCodes,
		MaxRestarts: a.MaxRestarts, MinUptime: a.MinUptime,
		RestartDelay: a.RestartDelay, Backoff: a.Backoff, BackoffReset: a.BackoffReset, MaxAge: a.MaxAge, Cron: a.Cron,
		ListenTimeout: a.ListenTimeout, Drain: a.DrainTimeout, Grace: a.KillTimeout,
		Window: max(leastWindow, time.Duration(a.MaxRestarts)*(a.MinUptime+time.Second)),
	}
	if !a.Drain { // it keeps connections as long as it likes
		p.Drain = p.Grace
	}
	if a.PM2 {
		p.Lenient, p.Immediate = true, true
	}
	switch {
	case p.Cluster:
		p.Prove = proveWorker
	case costly(a):
		p.Prove = proveRuntime
	default:
		p.Prove = proveProgram
	}
	return p
}

// idle says that no process fills the slot and none will by itself.
func (sl *slot) idle() bool {
	p := sl.state.Phase
	return len(sl.state.Lives) == 0 && sl.state.Held == "" && (p == lifecycle.Stopped || p == lifecycle.Failed)
}

// up says that a process fills the slot or is about to.
func (sl *slot) up() bool {
	switch sl.state.Phase {
	case lifecycle.Starting, lifecycle.Running, lifecycle.Backoff:
		return true
	case lifecycle.Stopping:
		return sl.state.Goal == lifecycle.Up
	case lifecycle.Stopped, lifecycle.Failed:
	}
	return sl.state.Held != ""
}

// key names the current life.
func (sl *slot) key() runner.Key {
	if c := sl.state.Current(); c != nil {
		return runner.Key{ID: sl.id, Gen: c.Gen}
	}
	return runner.Key{ID: sl.id, Gen: sl.state.Gen}
}

// look makes the view of the slot as it is now.
func (sl *slot) look() event.Instance {
	st := &sl.state
	in := event.Instance{
		ID: sl.id, App: sl.spec.Name, Namespace: sl.spec.Namespace, Index: sl.index, Mode: sl.spec.Mode,
		Goal: st.Goal, Phase: st.Phase, Gen: sl.key().Gen, CreatedAt: sl.created,
		Restarts: st.Restarts, Unstable: st.Unstable, Reason: st.Reason, LastExit: sl.lastExit,
	}
	in.OutFile, in.ErrorFile = sl.spec.LogPaths(sl.id)
	in.Version, in.Module, in.User = sl.spec.Version, sl.spec.Module, sl.spec.Username
	if in.Gen == sl.view.Gen {
		in.Said = sl.view.Said
	}
	in.Watch, in.CronAt, in.Held = sl.spec.Watch.On, st.CronAt, st.Held != ""
	if c := st.Current(); c != nil {
		in.Standby = c.Waits
		in.PID = c.PID
		in.StartedAt = c.SpawnedAt
	}
	if st.Phase == lifecycle.Backoff {
		in.WakeAt = st.Due
	}
	return in
}

func (sl *slot) label() string { return label(sl.view) }

// label names an instance in messages.
func label(in event.Instance) string { return fmt.Sprintf("%s (%d)", in.App, in.ID) }

func itoa(n int) string { return strconv.Itoa(n) }

// costly says whether starting a process of a costs so much that only a few
// should do it at a time.
func costly(a spec.App) bool { return a.Runtime == spec.Node || a.Runtime == spec.Bun }
