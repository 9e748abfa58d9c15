package pool

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/procs"
	"github.com/tendproc/tend/internal/sys"
	"github.com/tendproc/tend/ipc"
)

// Process runs tasks in processes of their own, one task at a time in each. Workers
// that are this program have the next few short tasks at hand already, which go to
// others when the one in front of them is long or the worker dies. The zero
// value starts this program again, whose main has to call [IsWorker] and [Serve].
//
// When the pool is closed, or its program dies, the workers' channels end; a worker
// ends then by itself. Closing kills those that do not, and whatever they started.
type Process struct {
	// Path is another program: a Node script (.js, .mjs, .ts, …), or an executable
	// that speaks the channel. "" means this program.
	Path string
	Args []string // of Path, or of this program
	// Fork says how Path is started, and of this program what Dir, Env, Silent,
	// Session and Credential say.
	Fork child.ForkOptions

	// Grace is how long a task may go on when its ctx has ended or its time is
	// over. The worker is told; if it answers within the grace it goes on. 0 means
	// that the worker is killed at once.
	Grace time.Duration
	// MaxTasks is how many tasks a worker does before it is replaced; 0 means no bound.
	MaxTasks int
	// MaxRSS is how much resident memory, in bytes, a worker may have after a task
	// before it is replaced; 0 means no bound. It is read at most every 50 ms.
	MaxRSS uint64
	// StartTimeout bounds the time until a worker says that it is ready; 0 means 30 s.
	StartTimeout time.Duration
}

const (
	// workerVar tells a program that it is a pool's worker.
	workerVar     = "TEND_POOL_WORKER"
	boardFD       = 4                // of a worker that is this program: see convoy
	uniqueIDVar   = "NODE_UNIQUE_ID" // a cluster's, which a worker of ours does not belong to
	startTimeout  = 30 * time.Second
	leaveTimeout  = 5 * time.Second // for a worker without a task
	memoryCadence = 50 * time.Millisecond
)

// Size is the number of processors that this program may use.
func (e Process) Size() int { return runtime.GOMAXPROCS(0) }

// Start forks a worker and waits until it is ready.
func (e Process) Start(ctx context.Context) (Worker, error) {
	p, board, err := e.fork()
	if err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	w := &processWorker{rules: e, p: p, board: board, short: shortTask, ch: ipc.NewChannel(p.Conn())}
	w.detach, w.ctx = context.AfterFunc(ctx, w.kill), context.WithoutCancel(ctx)
	w.guard.over = w.giveUp
	limit := e.StartTimeout
	if limit == 0 {
		limit = startTimeout
	}
	ready, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not ready within %v", limit))
	defer cancel()
	if err := w.ready(ready); err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	return w, nil
}

// fork starts the program, with a board if it is one of ours.
func (e Process) fork() (p *child.Process, b *board, err error) {
	if e.Path != "" {
		p, err = child.Fork(e.Path, e.Args, e.Fork)
		return p, nil, err
	}
	if os.Getenv(workerVar) != "" {
		return nil, nil, fmt.Errorf("this process is itself a pool's worker: its main must call IsWorker and Serve before it makes a pool")
	}
	env := e.Fork.Env
	if env == nil {
		env = os.Environ()
	}
	env = slices.DeleteFunc(slices.Clone(env), func(kv string) bool { return strings.HasPrefix(kv, uniqueIDVar+"=") })
	if b, err = newBoard(); err != nil {
		return nil, nil, err
	}
	cmd := child.Command{
		Path: sys.SelfPath, Argv0: os.Args[0], Args: e.Args, Env: append(env, workerVar+"="+strconv.Itoa(boardFD)), Dir: e.Fork.Dir,
		Stdio:   []child.Stdio{child.Ignore(), child.Inherit(1), child.Inherit(2), child.IPC(ipc.JSON), boardFD: child.File(b.file)},
		Session: e.Fork.Session, Credential: e.Fork.Credential,
	}
	if e.Fork.Silent {
		cmd.Stdio[1], cmd.Stdio[2] = child.Ignore(), child.Ignore()
	}
	if p, err = child.Start(cmd); err != nil {
		b.close()
		return nil, nil, err
	}
	return p, b, nil
}

// processWorker is one worker process. All but kill is called by one goroutine at a time.
type processWorker struct {
	rules  Process
	p      *child.Process
	ch     *ipc.Channel
	detach func() bool     // from the context that ends it by force
	ctx    context.Context //nolint:containedctx // without an end: its channel ends with the process

	ahead  int    // how many tasks it takes beside the one it does
	board  *board // where it notes which task it begins; nil if it takes none ahead
	short  time.Duration
	guard  guard  // ends the worker if its task outlasts its ctx
	id     uint64 // of the last task
	buf    []byte
	spent  atomic.Bool
	reader procs.Reader
	read   time.Time // when its memory was looked at
}

func (w *processWorker) kill() { _ = w.p.Signal(syscall.SIGKILL) } // it may have ended

// ready waits for the worker's word. On error nothing of it is left.
func (w *processWorker) ready(ctx context.Context) error {
	for {
		a, err := w.receive(ctx, 0)
		if err == nil && !a.Ready {
			continue
		}
		if err == nil {
			if w.board != nil {
				w.ahead = a.Ahead
			}
			return nil
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
			w.end(ctx)
			return err
		}
		return &CrashError{PID: w.p.PID(), Exit: w.end(ctx)}
	}
}

// receive returns the next message that may be an answer, most likely to the task id.
func (w *processWorker) receive(ctx context.Context, id uint64) (a answer, err error) {
	m, err := w.ch.Receive(ctx)
	if err != nil {
		return a, err
	}
	if m.Handle != nil {
		m.Handle.Close()
	}
	if out, ok := quickOutput(m.Data, id); ok {
		return answer{ID: id, Out: out, whole: m.Data}, nil
	}
	if m.Decode(&a) != nil {
		a = answer{} // none of ours
	}
	return a, nil
}

// end kills what is left of the worker, and says how it ended.
func (w *processWorker) end(ctx context.Context) child.Exit {
	exit := w.stop(ctx)
	w.release()
	return exit
}

func (w *processWorker) stop(ctx context.Context) child.Exit {
	w.detach()
	exit, _ := w.p.Stop(context.WithoutCancel(ctx), child.StopOptions{})
	w.spent.Store(true)
	return exit
}

// release closes what is held of the worker. No task of it is bounded any more.
func (w *processWorker) release() {
	w.guard.drop()
	w.ch.Close()
	w.p.Close()
	if w.board != nil {
		w.board.close()
		w.board = nil
	}
}

// prepare makes the request for a task.
func (w *processWorker) prepare(c Call) (err error) {
	w.buf, err = appendRequest(w.buf[:0], w.id+1, c)
	if err == nil {
		w.id++
	}
	return err
}

// Do sends the task and waits for the answer.
func (w *processWorker) Do(ctx context.Context, c Call) (err error) {
	if err = w.prepare(c); err != nil {
		return err
	}
	w.guard.set(ctx, w.id, w.rules.Grace)
	a, err := w.ask(w.ctx)
	w.guard.unset()
	if err != nil {
		exit := w.end(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return &CrashError{PID: w.p.PID(), Exit: exit}
	}
	w.account()
	if ctx.Err() != nil { // answered within the grace
		return context.Cause(ctx)
	}
	if a.Panic != nil {
		w.spent.Store(true)
	}
	return a.settle(c)
}

func (w *processWorker) ask(ctx context.Context) (a answer, err error) {
	if err := w.ch.SendRaw(ctx, w.buf); err != nil {
		return a, err
	}
	for a.ID != w.id {
		if a, err = w.receive(ctx, w.id); err != nil {
			return a, err
		}
	}
	return a, nil
}

// giveUp is for a task whose ctx has ended: the worker is told, and killed if it does
// not answer within the grace.
func (w *processWorker) giveUp(id uint64, grace time.Duration, answered <-chan struct{}) {
	if grace > 0 {
		ctx, cancel := context.WithTimeout(w.ctx, grace) // it may not read, not even the task
		defer cancel()
		if w.ch.SendRaw(ctx, appendCancel(nil, id)) == nil {
			select {
			case <-answered:
				return
			case <-ctx.Done():
			}
		}
	}
	if w.board == nil || w.board.condemn(id) {
		w.spent.Store(true)
		w.kill()
	}
}

// account tells whether the worker has done its share.
func (w *processWorker) account() {
	if w.rules.MaxTasks > 0 && w.id >= uint64(w.rules.MaxTasks) {
		w.spent.Store(true)
	}
	if w.rules.MaxRSS == 0 {
		return
	}
	if now := time.Now(); now.Sub(w.read) >= memoryCadence {
		w.read = now
		st, err := w.reader.Stat(w.p.PID())
		if err == nil && st.RSS > w.rules.MaxRSS {
			w.spent.Store(true)
		}
	}
}

// Spent tells that the worker ended, or has done its share.
func (w *processWorker) Spent() bool {
	select {
	case <-w.p.Exited():
		return true
	default:
		return w.spent.Load()
	}
}

// Lost is closed when the process has ended.
func (w *processWorker) Lost() <-chan struct{} { return w.p.Exited() }

// Close ends the channel, upon which a worker exits, and kills what does not.
func (w *processWorker) Close(ctx context.Context) error {
	w.ch.Close()
	_, err := w.p.Stop(ctx, child.StopOptions{Grace: leaveTimeout, First: func() error { return nil }})
	w.detach()
	w.release()
	return err
}
