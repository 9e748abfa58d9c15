package runner

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/cluster"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/logs"
	"github.com/tendproc/tend/internal/spec"
	"github.com/tendproc/tend/internal/sys"
	"github.com/tendproc/tend/ipc"
)

// channelFD is the channel's number in the child, as Node's fork has it. Inherited
// sockets begin at this number (sd_listen_fds(3)); then the channel is above them.
const channelFD = 3

// ListenExec, as the first argument, makes this program run another one with
// LISTEN_PID, its own number, without which that must not take the sockets for its
// own: see [RunListenExec].
const ListenExec = "listen-exec"

// RunListenExec executes args[1], called args[0], with the arguments that follow.
// It returns only with an error.
func RunListenExec(args []string) error {
	if len(args) < 2 {
		return errors.New(ListenExec + ": no program")
	}
	path, argv := args[1], slices.Concat([]string{cmp.Or(args[0], args[1])}, args[2:])
	return &os.PathError{Op: "exec", Path: path, Err: syscall.Exec(path, argv, append(os.Environ(), "LISTEN_PID="+strconv.Itoa(os.Getpid())))}
}

// pipes are the ways of the process's output to its logs.
type pipes struct {
	streams  []*logs.Stream
	out, err *logs.Pipe
}

func (p *pipes) both() (all []*logs.Pipe) {
	for _, one := range []*logs.Pipe{p.out, p.err} {
		if one != nil {
			all = append(all, one)
		}
	}
	return all
}

func (p *pipes) closeChildEnds() {
	for _, one := range p.both() {
		one.ChildEnd.Close()
	}
}

func (p *pipes) release() {
	for _, st := range p.streams {
		st.Release()
	}
	p.streams = nil
}

// starts has a token for each start under way: threads are this process's, whoever
// starts.
var starts = make(chan struct{}, maxStarts)

// maxStarts is how many processes are started at the same time. Each start holds a
// thread until the program runs, which Go then keeps: 100 would be two megabytes, and
// more than eight save no time.
const maxStarts = 8

// startPatience is how long a start waits for others at most: a program on a file system
// that does not answer holds up nobody else.
const startPatience = time.Second

// startTurn waits until a process may be started. Call done when it is.
func startTurn() (done func()) {
	select {
	case starts <- struct{}{}:
		return func() { <-starts }
	case <-time.After(startPatience):
		return func() {}
	}
}

// start makes the process. On an error undo has to follow.
func (l *life) start() (*child.Process, error) {
	app := l.spawn.App
	cred, who, err := identity(app)
	if err != nil {
		return nil, err
	}
	if err := l.openOutput(); err != nil {
		return nil, err
	}
	defer l.pipes.closeChildEnds()
	l.tells = !app.NoMetrics && l.r.options.Metrics != "" && l.loads()
	theirs, err := l.openChannel()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	stdin, err := l.openInput()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	if err := l.openNotify(); err != nil {
		return nil, err
	}
	sockets, err := l.r.sockets.acquire(app.Name, l.spawn.Was, app.Listen)
	if err != nil {
		return nil, err
	}
	l.listens = true
	if l.sticky() {
		if err := os.MkdirAll(filepath.Dir(l.session()), 0o700); err != nil {
			return nil, systemFault(app, err)
		}
	}
	stdio := []child.Stdio{child.File(stdin), child.File(l.pipes.out.ChildEnd), child.File(l.pipes.err.ChildEnd)}
	for _, s := range sockets {
		stdio = append(stdio, child.File(s))
	}
	path, argv0, args := l.program()
	if len(sockets) > 0 {
		path, argv0, args = sys.SelfPath, "tend", slices.Concat([]string{ListenExec, argv0, path}, args)
	}
	if err := l.limit(); err != nil {
		return nil, err
	}
	proc, err := child.Start(child.Command{
		Path: path, Argv0: argv0, Args: args,
		Dir:        app.Cwd,
		Env:        l.environment(who),
		Stdio:      append(stdio, child.File(theirs)),
		Credential: cred, Tree: l.tree, Cgroup: l.group.Folder(), Around: l.group.Around,
	})
	if err != nil {
		return nil, startFault(app, err)
	}
	l.group.Started()
	l.holdProcess(proc)
	if err := l.writePID(proc.PID()); err != nil {
		l.r.options.Complain(err)
	}
	return proc, nil
}

// openInput makes the pipe to the process's standard input and returns its end. Who has
// that of the runner in its place has a pipe that nobody reads.
func (l *life) openInput() (theirs *os.File, err error) {
	ours, theirs, err := sys.ChildPipe("stdin "+l.spawn.App.Name, true)
	if err != nil {
		return nil, systemFault(l.spawn.App, err)
	}
	if err := l.hold(heldInput, ours, nil); err != nil {
		ours.Close()
		theirs.Close()
		return nil, systemFault(l.spawn.App, err)
	}
	l.mu.Lock()
	l.input = ours
	l.mu.Unlock()
	if !l.inherits() {
		return theirs, nil
	}
	theirs.Close()
	if theirs, err = sys.DupFile(l.r.options.Input); err != nil {
		return nil, systemFault(l.spawn.App, err)
	}
	return theirs, nil
}

// inherits says that the standard input is the runner's.
func (l *life) inherits() bool {
	return l.r.options.Input != nil && l.spawn.Index == 0
}

// openOutput makes the pipes to the logs.
func (l *life) openOutput() error {
	app := l.spawn.App
	for _, t := range l.targets() {
		st, err := l.r.options.Logs.Open(t)
		if err != nil {
			l.pipes.closeChildEnds()
			return err
		}
		l.pipes.streams = append(l.pipes.streams, st)
		p, err := st.Pipe(l.tail)
		if err == nil {
			err = l.holdOutput(t.Name, p)
		}
		if t.Name == "out" {
			l.pipes.out = p
		} else {
			l.pipes.err = p
		}
		if err != nil {
			l.pipes.closeChildEnds()
			return systemFault(app, err)
		}
	}
	return nil
}

// targets are the two streams of the process.
func (l *life) targets() []logs.Target {
	app, id := l.spawn.App, l.spawn.Key.ID
	outPath, errPath := app.LogPaths(id)
	list := []logs.Target{{Name: heldOut, Path: outPath}, {Name: heldErr, Path: errPath}}
	for i := range list {
		t := &list[i]
		t.App, t.Namespace, t.ID = app.Name, app.Namespace, id
		t.Also, t.Stamp, t.Raw = app.CombinedPath(id), app.LogDate, app.LogMode == "raw"
		if app.LogType == "json" {
			t.Stamp = logs.JSONStamp(*t, app.LogDate)
		}
		if app.NoLogs {
			t.Path, t.Also, t.Raw = logs.Null, "", false
		}
	}
	return list
}

// openChannel makes the channel and gives our end to who reads it: the primary
// or a reader of this life. It returns the child's end.
func (l *life) openChannel() (theirs *os.File, err error) {
	app := l.spawn.App
	ours, theirs, err := sys.Socketpair("channel " + app.Name)
	if err != nil {
		return nil, systemFault(app, err)
	}
	if err := l.giveChannel(ours); err != nil {
		theirs.Close()
		return nil, systemFault(app, err)
	}
	return theirs, nil
}

// giveChannel gives our end of the channel to who reads it. It takes ours.
func (l *life) giveChannel(ours *os.File) error {
	o := ipc.ConnOptions{Resumed: l.former != nil}
	if l.r.options.Hold != nil {
		o.Spool, o.Reading = spool{l, heldUnsent}, spool{l, heldUnread}
	}
	if l.former != nil {
		o.Unsent, o.Unread = l.former.take(heldUnsent), l.former.take(heldUnread)
	}
	conn, err := ipc.NewConn(ours, o)
	if err != nil {
		return errors.Join(err, ours.Close())
	}
	l.conn = conn
	err = l.holdFD(heldChannel, conn.Fd(), 0, l.channelMeta())
	switch {
	case err != nil:
	case l.worker != 0:
		err = l.joinCluster(conn)
	default:
		if l.fork, err = l.r.channels.add(l, conn); err == nil {
			l.fork.flush() // what a former runner could not send
		}
	}
	if err != nil {
		conn.Close()
	}
	return err
}

func (l *life) joinCluster(conn *ipc.Conn) error {
	add := l.r.options.Primary.Add
	if l.former != nil {
		add = l.r.options.Primary.Adopt
	}
	return add(conn, cluster.WorkerOptions{
		ID: l.worker, Group: l.spawn.App.Name, Was: l.spawn.Was, Scheduler: scheduler(l.spawn.App.Scheduler), Exclusive: l.spawn.App.Exclusive,
		Sticky: l.sticky(), Drains: l.drains.Load(), Standby: l.spawn.Standby, Worn: l.worn(),
	})
}

func scheduler(s spec.Scheduler) cluster.Scheduler {
	switch s {
	case spec.Shared:
		return cluster.Shared
	case spec.ReusePort:
		return cluster.ReusePort
	default:
		return cluster.RoundRobin
	}
}

// startFault says what was wrong with the command, and what to do.
func startFault(app spec.App, err error) error {
	e, ok := errors.AsType[*child.StartError](err)
	if !ok || e.Fault == child.BadSystem || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return systemFault(app, err)
	}
	f := &fault.Error{Code: fault.StartFailed, Op: "spawn " + app.Name, Message: e.Reason}
	if e.Subject != "" {
		f.Message = e.Subject + ": " + e.Reason
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.Code = fault.NotFound
	case errors.Is(err, fs.ErrPermission):
		f.Code = fault.Denied
	}
	switch e.Fault {
	case child.BadProgram:
		f.Field, f.Remedy = "script", "Check that it is there, executable, and for this kind of machine."
		if app.Interpreter != "" {
			f.Field, f.Remedy = "--interpreter", "Install it again, or name another with --interpreter."
		}
	case child.BadDir:
		f.Field, f.Remedy = "--cwd", "Make the folder, or name another with --cwd."
	case child.BadCredential:
		f.Field, f.Remedy = "--uid", "Run tend as root to start processes as another user."
	case child.BadArguments:
		f.Code, f.Remedy = fault.Invalid, "Give it fewer arguments and a smaller environment."
	case child.BadStdio:
		f.Code = fault.Internal
	case child.BadSystem: // handled above
	}
	return f
}

// systemFault is for what the machine could not give.
func systemFault(app spec.App, err error) error {
	if fault.CodeOf(err) != fault.Internal {
		return err
	}
	f := &fault.Error{Code: fault.StartFailed, Op: "spawn " + app.Name, Message: "the system refused", Err: err}
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		f.Message, f.Remedy = "too many open files", "Raise the limit on open files (ulimit -n), then: tend kill"
	case errors.Is(err, syscall.EAGAIN):
		f.Message, f.Remedy = "too many processes", "Raise the limit on processes (ulimit -u, TasksMax, pids.max)."
	case errors.Is(err, syscall.ENOMEM):
		f.Message, f.Remedy = "out of memory", "Stop something else, or give the machine more memory."
	}
	return f
}
