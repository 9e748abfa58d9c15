package runner

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/cluster"
	"github.com/tendproc/tend/internal/cgroup"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/logs"
	"github.com/tendproc/tend/internal/procs"
	"github.com/tendproc/tend/internal/spec"
)

// Options are the parts a runner is built from. Logs, Primary and Report are needed.
type Options struct {
	Logs    *logs.Store
	Primary *cluster.Primary
	Home    string // TEND_HOME of the processes

	// Report takes each fact. It must not block. It is called from many
	// goroutines, but for one key from one at a time, in order.
	Report func(Key, Report)

	NodeArgs []string // for Node in fork mode, behind the app's own
	Preload  string   // path of cluster.Preload, for Node workers; "" for none
	Metrics  string   // path of Metrics, for Node apps; "" for none

	Input *os.File // the standard input of the first process of each app; nil: all have a pipe

	Groups *cgroup.Groups // of processes with limits

	Hold Hold   // nil for none
	Held []Held // what a former runner's Hold kept; the runner takes the files

	// Status tells how an adopted process ended, which somebody else reaps. It may
	// wait for that to be told. Nil: nobody knows.
	Status func(k Key, pid int) (child.Exit, bool)

	// Complain is told what went wrong beside the lives; nil ignores it.
	Complain func(error)
}

// Runner runs processes. Its methods may be called from any goroutine; those
// without a result return at once.
type Runner struct {
	options Options
	cut     chan struct{} // closed when Close waits no longer
	wg      sync.WaitGroup

	adopting sync.WaitGroup // lives whose output is not joined to the logs yet
	bequest  atomic.Bool    // see Bequeath

	channels channels // of fork mode
	sockets  *sockets
	usage    usage
	commands commands

	mu         sync.Mutex        // guards what follows
	held       map[Key]*heldLife // not adopted yet
	lives      map[Key]*life
	workers    map[uint64]*life // by NODE_UNIQUE_ID
	lastWorker uint64           // ids are never used twice: old messages may still be on their way
	closed     bool
}

// New returns a runner without processes. Its [Runner.ClusterEvent] is to be
// the primary's OnEvent.
func New(o Options) *Runner {
	if o.Complain == nil {
		o.Complain = func(error) {}
	}
	var lives, listeners []Held
	for _, h := range o.Held {
		if strings.HasPrefix(h.Name, socketPrefix) {
			listeners = append(listeners, h)
		} else {
			lives = append(lives, h)
		}
	}
	r := &Runner{
		options: o,
		cut:     make(chan struct{}),
		sockets: newSockets(o.Hold, listeners), commands: commands{cease: make(chan struct{})},
		held:    heldLives(lives),
		lives:   make(map[Key]*life),
		workers: make(map[uint64]*life),
	}
	r.options.Held = nil
	if o.Groups != nil {
		o.Groups.Clean()
	}
	for _, h := range r.held {
		r.lastWorker = max(r.lastWorker, h.meta.Worker)
	}
	return r
}

// Spawn starts a process. What comes of it is reported.
func (r *Runner) Spawn(s Spawn) {
	r.mu.Lock()
	if r.closed || r.lives[s.Key] != nil {
		closed := r.closed
		r.mu.Unlock()
		r.refuse(s, closed)
		return
	}
	l := &life{r: r, spawn: s, tail: new(logs.Tail), silent: make(chan struct{}), marks: marks{tree: newTree()}, doors: doors{pulse: newPulse()}}
	if s.App.Mode == spec.Cluster {
		r.lastWorker++
		l.worker = r.lastWorker
	}
	r.beginLocked(l)
	r.mu.Unlock()
}

// beginLocked makes l one of the lives and lets it run. It needs r.mu held.
func (r *Runner) beginLocked(l *life) {
	if l.worker != 0 {
		r.workers[l.worker] = l
	}
	r.lives[l.spawn.Key] = l
	r.wg.Add(1)
	go l.run() // ends with the life; Close waits for it
}

func (r *Runner) refuse(s Spawn, closed bool) {
	err := &fault.Error{Code: fault.Internal, Op: "spawn " + s.App.Name, Message: "this generation was spawned already"}
	if closed {
		err = &fault.Error{Code: fault.Unavailable, Op: "spawn " + s.App.Name, Message: "the daemon is ending"}
	}
	r.options.Report(s.Key, SpawnFailed{Err: err})
}

// Terminate asks the process to end, in the way its app says: by a message or a
// signal, alone or with its tree. The caller keeps the deadline for the main
// process; the rest of a tree that was asked has what remains of the grace.
func (r *Runner) Terminate(k Key) { r.want(k, terminate) }

// Kill ends the whole process tree.
func (r *Runner) Kill(k Key) { r.want(k, kill) }

func (r *Runner) want(k Key, w wish) {
	if l := r.life(k); l != nil {
		l.want(w)
	}
}

// Route lets a cluster's worker on standby have the sockets that it waits for.
func (r *Runner) Route(k Key) {
	if l := r.life(k); l != nil && l.worker != 0 {
		r.options.Primary.Route(l.worker)
	}
}

// Unroute gives a cluster's worker no new connections.
func (r *Runner) Unroute(k Key) {
	if l := r.life(k); l != nil && l.worker != 0 {
		r.options.Primary.Unroute(l.worker)
	}
}

// Disconnect tells a cluster's worker to finish its connections and go, within
// the app's drain timeout.
func (r *Runner) Disconnect(k Key) {
	if l := r.life(k); l != nil && l.worker != 0 {
		r.options.Primary.Drain(l.worker, l.spawn.App.DrainTimeout)
	}
}

// Release says that the app has no processes and shall have none: the sockets
// that were kept for them close.
func (r *Runner) Release(app string) {
	if r.bequest.Load() {
		return
	}
	r.options.Primary.Release(app)
	r.sockets.release(app)
}

// Bequeath has listening sockets outlive the runner: from now on none is closed for
// want of processes, and Hold keeps them for the next runner.
func (r *Runner) Bequeath() {
	r.bequest.Store(true)
	r.options.Primary.Bequeath()
}

// Listen says which sockets the declaration of an app names, once it is the one
// that counts.
func (r *Runner) Listen(app string, addresses []string) { r.sockets.want(app, addresses) }

// Rename says that an app has another name from now on.
func (r *Runner) Rename(from, to string) { r.sockets.rename(from, to) }

// Signal sends sig to the main process.
func (r *Runner) Signal(k Key, sig syscall.Signal) error {
	l, err := r.running(k)
	if err != nil {
		return err
	}
	return l.signal(sig)
}

// WriteLine writes line and a newline to the standard input of the process. It
// waits a second at most for a process that does not read.
func (r *Runner) WriteLine(k Key, line string) error {
	l, err := r.running(k)
	if err != nil {
		return err
	}
	return l.writeLine(line)
}

// Send sends message, a JSON text, on the channel of the process. What it has
// returned nil for the process will get, though the daemon dies at once. It waits a
// second at most for a process that does not read.
func (r *Runner) Send(k Key, message []byte) error {
	l, err := r.running(k)
	if err == nil {
		err = l.send(message)
	}
	if err != nil {
		return err
	}
	return l.sent()
}

// Probe asks once how a process does that has a probe, as the probe has it; one that has
// none does well. A worker answers for itself (see [Probes]). It waits five seconds at most.
func (r *Runner) Probe(k Key) error {
	l, err := r.running(k)
	if err == nil && l.spawn.App.Probe != "" {
		err = l.probeOnce(lifetime(r.cut))
	}
	return err
}

// Tail returns the last lines that the process wrote, oldest first.
func (r *Runner) Tail(k Key, n int) []string {
	if l := r.life(k); l != nil {
		return l.tail.Lines(n)
	}
	return nil
}

// Usage samples the process trees of pids.
func (r *Runner) Usage(pids []int) []event.Usage { return r.usage.sample(pids) }

// Asleep tells of each process whether it waits, rather than runs or reads from a
// disk; one that is gone does.
func (r *Runner) Asleep(pids []int) []bool {
	var reader procs.Reader
	list := make([]bool, len(pids))
	for i, pid := range pids {
		st, err := reader.Stat(pid)
		list[i] = err != nil || st.State != 'R' && st.State != 'D'
	}
	return list
}

// ClusterEvent takes what the primary tells of its workers.
func (r *Runner) ClusterEvent(ev cluster.Event) {
	r.mu.Lock()
	l := r.workers[ev.Worker]
	r.mu.Unlock()
	if l == nil {
		return // news of a life that is over
	}
	switch ev.Type {
	case cluster.WorkerOnline:
		l.report(Online{})
	case cluster.WorkerDrains:
		l.drains.Store(true)
		l.noteSaid()
	case cluster.WorkerWaiting:
		l.report(Waiting{})
	case cluster.WorkerListening:
		l.report(Listening{Address: ev.Address})
		l.serves.Store(true)
		l.becomeReady()
		if l.asks() {
			l.watchOver()
		}
	case cluster.WorkerWorn:
		l.report(Worn{})
	case cluster.WorkerPong:
		l.lives()
	case cluster.WorkerListenFailed:
		l.report(ListenFailed{Address: ev.Address, Err: ev.Err})
	case cluster.WorkerMessage:
		l.message(ev.Message)
	case cluster.WorkerLeaving:
		l.report(Leaving{})
	case cluster.WorkerDisconnected:
		l.disconnected()
	case cluster.WorkerClosedListener: // of interest to the primary alone
	}
}

// Close refuses further spawns and waits until every life is over. When ctx
// ends first, the lives that are left are let go: their processes run on, and
// nothing more is reported.
func (r *Runner) Close(ctx context.Context) error {
	r.mu.Lock()
	already := r.closed
	r.closed = true
	r.mu.Unlock()
	done := make(chan struct{})
	go func() { // ends with the lives, which end at the latest with cut
		r.wg.Wait()
		close(done)
	}()
	defer r.channels.close()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	if !already {
		close(r.cut)
	}
	<-done
	return ctx.Err()
}

func (r *Runner) life(k Key) *life {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lives[k]
}

func (r *Runner) running(k Key) (*life, error) {
	if l := r.life(k); l != nil && l.alive() {
		return l, nil
	}
	return nil, errNotRunning
}

func (r *Runner) forget(l *life) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.lives, l.spawn.Key)
	delete(r.workers, l.worker)
	if l.sticky() && !slices.ContainsFunc(slices.Collect(maps.Values(r.lives)), (*life).sticky) {
		os.Remove(filepath.Dir(l.session())) // the last; who comes after it makes the folder anew
	}
}

var errNotRunning = &fault.Error{Code: fault.NotRunning, Message: "there is no such process"}

// lifetime is the context that ends when the runner lets its lives go.
type lifetime <-chan struct{}

func (t lifetime) Deadline() (time.Time, bool) { return time.Time{}, false }
func (t lifetime) Done() <-chan struct{}       { return t }
func (t lifetime) Value(any) any               { return nil }

func (t lifetime) Err() error {
	select {
	case <-t:
		return errLetGo
	default:
		return nil
	}
}

var errLetGo = errors.New("the runner is closed")
