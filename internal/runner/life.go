package runner

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/cgroup"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/logs"
	"github.com/tendproc/tend/internal/sys"
	"github.com/tendproc/tend/ipc"
)

const (
	// lastMoment is how long what a process has just written may delay the
	// report of its end.
	lastMoment = 2 * time.Millisecond

	// drainTime bounds the wait for pipes and a channel that someone outside
	// the tree still holds.
	drainTime = time.Second

	tailLines = 30 // how many last lines a report carries: what Node says of a port in use has 26
)

// life is one process from its spawn to the end of its tree.
type life struct {
	r     *Runner
	spawn Spawn
	marks
	former *heldLife // of an adopted one: what a former runner left; start's
	tail   *logs.Tail
	silent chan struct{}  // closed when the channel has ended
	pipes  pipes          // run's
	proc   *child.Process // set before stdin is
	doors

	mu     sync.Mutex // guards what follows
	box    mailbox
	ending ending
	stdin  *os.File // nil when there is no live process
	input  *os.File // becomes stdin once the process is there
}

// doors are how a process is reached besides its output, all of them run's.
type doors struct {
	conn    *ipc.Conn     // our end of its channel; set before stdin is
	fork    *forkChannel  // who reads it; nil in cluster mode
	notify  *notifySocket // nil for none
	listens bool          // it uses the sockets of its app
	pulse   *pulse
	serves  atomic.Bool // it has listened
	probed  sync.Once   // see becomeReady
}

// marks are what a process is known by, and what it said of itself.
type marks struct {
	worker uint64 // NODE_UNIQUE_ID; 0 in fork mode
	tree   string // the marker of its process tree
	ready  atomic.Bool
	said   atomic.Bool             // that it is ready; with a probe that is not all
	drains atomic.Bool             // it has the preload
	tells  bool                    // its metrics; set before its channel is
	last   atomic.Pointer[numbers] // what it told of them last
	group  *cgroup.Group
}

// mailbox puts the facts of a life in order.
type mailbox struct {
	waiting []Report
	open    bool // Spawned was said
	busy    bool // someone is handing on
	last    bool // the last one was said
}

func (l *life) run() {
	defer l.r.wg.Done()
	proc, first := l.begin()
	if proc == nil {
		l.undo()
		l.r.forget(l)
		l.sayFirst(first)
		return
	}
	l.proc = proc
	l.mu.Lock()
	l.stdin, l.input = l.input, nil
	if l.ending.wish != none {
		l.beginStopLocked()
	}
	l.mu.Unlock()
	l.sayFirst(first)
	l.becomeReady()
	select {
	case <-proc.Exited():
		l.end()
	case <-l.r.cut:
		l.waitForStop()
		l.letGo()
	}
}

// begin makes the process, or takes it over, and says so; without one the report
// says why there is none.
func (l *life) begin() (*child.Process, Report) {
	if l.former != nil {
		return l.adopt()
	}
	done := startTurn()
	proc, err := l.start()
	done()
	if err != nil {
		return nil, SpawnFailed{Err: err}
	}
	return proc, Spawned{PID: proc.PID()}
}

// end reports the exit, sees to it that nothing is left, and reports that.
func (l *life) end() {
	l.closeStdin()
	if l.worker != 0 {
		l.r.options.Primary.Remove(l.worker)
	}
	exit, at := l.proc.Exit(), time.Now()
	l.removePID(l.proc.PID())
	l.lastWords()
	l.report(Exited{
		Exit: event.Exit{
			Gen: l.spawn.Key.Gen, PID: l.proc.PID(), At: at,
			Code: exit.Code, Signal: sys.SignalName(exit.Signal), Core: exit.Core, OutOfMemory: l.group.OutOfMemory(),
		},
		Log: l.tail.Lines(tailLines),
	})
	if !l.clear() {
		l.letGo()
		return
	}
	l.settle()
	l.letGo()
	l.unlimit()
	l.reportLast(Gone{Log: l.tail.Lines(tailLines)})
}

// lastWords reads what the process, which has ended, wrote on its pipes and
// its channel before. Who holds these besides it is not waited for.
func (l *life) lastWords() {
	timer := time.NewTimer(lastMoment)
	defer timer.Stop()
	for _, p := range l.pipes.both() {
		if !until(p.Drain(), timer.C) {
			return
		}
	}
	if l.fork != nil {
		l.fork.read()
		return
	}
	until(l.silent, timer.C)
}

// settle waits until pipes and channel have ended, and no longer than drainTime.
func (l *life) settle() {
	timer := time.NewTimer(drainTime)
	defer timer.Stop()
	for _, p := range l.pipes.both() {
		p.Hurry()
		if !until(p.Done(), timer.C) {
			return
		}
	}
	until(l.silent, timer.C)
}

func until(done <-chan struct{}, timeout <-chan time.Time) bool {
	select {
	case <-done:
		return true
	case <-timeout:
		return false
	}
}

// letGo closes what is ours. Pipes that someone still writes to are drained on.
// After it only Gone can be said.
func (l *life) letGo() {
	l.closeStdin()
	l.mu.Lock()
	l.box.last = true
	l.mu.Unlock()
	l.unhold()
	l.closeNotify()
	if l.listens {
		l.listens = false
		l.r.sockets.done(l.spawn.App.Listen)
	}
	if l.fork != nil {
		l.fork.close()
	}
	if l.sticky() {
		os.Remove(l.session())
	}
	if l.proc != nil {
		l.proc.Close()
	}
	l.pipes.release()
	l.r.forget(l)
}

// undo takes back what start had done before it failed.
func (l *life) undo() {
	if l.worker != 0 {
		l.r.options.Primary.Remove(l.worker)
	}
	l.letGo()
	l.unlimit()
}

// alive says whether there is a process to talk to.
func (l *life) alive() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stdin != nil
}

func (l *life) closeStdin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stdin != nil {
		l.unholdOne(heldInput)
		l.stdin.Close()
		l.stdin = nil
	}
	if l.input != nil {
		l.unholdOne(heldInput)
		l.input.Close()
		l.input = nil
	}
}

func (l *life) signal(sig syscall.Signal) error {
	err := l.proc.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH) {
		return errNotRunning
	}
	return err
}

func (l *life) writeLine(line string) error {
	l.mu.Lock()
	stdin := l.stdin
	l.mu.Unlock()
	if stdin == nil {
		return errNotRunning
	}
	op := "write to " + l.spawn.App.Name
	if l.inherits() {
		return &fault.Error{Code: fault.Unsupported, Op: op, Message: "its standard input is that of the guard", Remedy: "Write there; or run the guard with </dev/null."}
	}
	stdin.SetWriteDeadline(time.Now().Add(drainTime))
	_, err := stdin.WriteString(line + "\n")
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &fault.Error{
			Code: fault.Timeout, Op: op, Message: "the process does not read its standard input",
			Remedy: "A part of the line may have been taken; restart the process before trying again.",
		}
	case errors.Is(err, syscall.EPIPE):
		return &fault.Error{Code: fault.NotRunning, Op: op, Message: "the process has closed its standard input"}
	case errors.Is(err, os.ErrClosed):
		return errNotRunning
	}
	return err
}

// sayFirst reports Spawned or SpawnFailed, and then what came before its time.
func (l *life) sayFirst(first Report) {
	l.mu.Lock()
	l.box.waiting = append([]Report{first}, l.box.waiting...)
	l.box.open = true
	switch first.(type) {
	case SpawnFailed, Lost:
		l.box.waiting = l.box.waiting[:1]
		l.box.last = true
	}
	l.mu.Unlock()
	l.deliver()
}

func (l *life) report(rep Report) {
	l.mu.Lock()
	if !l.box.last {
		l.box.waiting = append(l.box.waiting, rep)
	}
	l.mu.Unlock()
	l.deliver()
}

func (l *life) reportLast(rep Report) {
	l.mu.Lock()
	l.box.waiting = append(l.box.waiting, rep)
	l.box.last = true
	l.mu.Unlock()
	l.deliver()
}

// deliver hands on what is waiting, unless another goroutine is at it: then
// that one does.
func (l *life) deliver() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.box.busy || !l.box.open {
		return
	}
	l.box.busy = true
	for len(l.box.waiting) > 0 {
		batch := l.box.waiting
		l.box.waiting = nil
		l.mu.Unlock()
		for _, rep := range batch {
			l.r.options.Report(l.spawn.Key, rep)
		}
		l.mu.Lock()
	}
	l.box.busy = false
}

// message takes what the process said. It is called before the message is gone
// from the channel: that it is ready outlives us.
func (l *life) message(data []byte) {
	if bytes.HasPrefix(data, []byte(toldPrefix)) {
		l.last.Store(&numbers{time.Now(), data})
		return
	}
	rep := classify(data)
	switch rep.(type) {
	case Ready:
		l.saidReady()
		return
	case Message:
		l.r.options.Report(l.spawn.Key, rep) // at once, and not in turn with what is waiting
		return
	}
	l.report(rep)
}

// classify says what a message from the process means.
func classify(data []byte) Report {
	if string(data) == `"ready"` {
		return Ready{}
	}
	var said struct {
		Act string `json:"act"`
	}
	if len(data) < 256 && json.Unmarshal(data, &said) == nil && said.Act == "suicide" {
		return Leaving{}
	}
	return Message{Data: json.RawMessage(data)}
}
