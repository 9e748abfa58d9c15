package process

import (
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/sys"
)

// hookTime bounds the exit hooks: a process that is to end ends.
const hookTime = 10 * time.Second

// deadly are the signals that end a program which does not handle them. SIGQUIT is
// left to the runtime, which dumps all goroutines.
var deadly = []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM}

// Life is this process between the start of [Main] and its end. Its methods may be
// called from any goroutine.
type Life struct {
	hookTime time.Duration
	signals  chan os.Signal // never closed; read by listen
	done     chan struct{}  // closed when the hooks have run

	mu       sync.Mutex // guards the rest
	hooks    []*func(code int)
	uncaught []*func(v any, stack []byte)
	handled  map[syscall.Signal]int // how many handlers there are
	ending   bool
	panicked bool // a goroutine has, and ends the process
}

// Main runs fn, and then ends the process with the code that it returns. It
// does not return. On every way out the hooks of [Life.OnExit] run once:
//
//   - fn returns;
//   - [Life.Exit] is called, anywhere;
//   - SIGHUP, SIGINT or SIGTERM comes, is not ignored, and has no handler by
//     [Life.On]: then the process ends by that signal, as its parent can see. A
//     second one while hooks run ends it at once;
//   - fn, or a goroutine started by [Life.Go], panics: first the hooks of
//     [Life.OnUncaught] are told, and at the end the panic goes on as it would have
//     without Main: a trace on standard error, and exit code 2.
//
// Nothing can be done before SIGKILL, a fatal error of the runtime, os.Exit, or a
// panic in a goroutine that was started by other means. Hooks have ten seconds;
// then the process ends without what is left of them.
func Main(fn func(*Life) int) {
	l := newLife()
	var code int
	l.guard(func() { code = fn(l) })
	l.Exit(code)
}

func newLife() *Life {
	l := &Life{hookTime: hookTime, signals: make(chan os.Signal, 16), handled: map[syscall.Signal]int{}, done: make(chan struct{})}
	for _, sig := range deadly {
		if !signal.Ignored(sig) { // nohup's is
			signal.Notify(l.signals, sig)
		}
	}
	go l.listen() // as long as the process lives
	return l
}

// OnExit has fn called when the process ends, with its exit code: 128 and the
// number for a signal, 2 for a panic. The last added is called first. fn must not
// call [Life.Exit].
func (l *Life) OnExit(fn func(code int)) (remove func()) { return add(l, &l.hooks, fn) }

// OnUncaught has fn called with the value of a panic and the stack of its goroutine,
// to report it. It does not keep the process alive.
func (l *Life) OnUncaught(fn func(v any, stack []byte)) (remove func()) {
	return add(l, &l.uncaught, fn)
}

func add[F any](l *Life, to *[]*F, fn F) (remove func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*to = append(*to, &fn)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		*to = slices.DeleteFunc(*to, func(p *F) bool { return p == &fn })
	}
}

// Go runs fn in a goroutine of its own. A panic in it is an uncaught one like fn's
// of [Main]. It is not waited for at the end.
func (l *Life) Go(fn func()) { go l.guard(fn) }

// Exit runs the hooks and ends the process. It does not return. Of several calls
// the first counts.
func (l *Life) Exit(code int) {
	if l.begin() {
		l.runHooks(code)
		if !l.hasPanicked() {
			os.Exit(code)
		}
	}
	select {} // another is at it
}

// begin tells whether the caller is the one to end the process.
func (l *Life) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := !l.ending
	l.ending = true
	return first
}

// runHooks calls each hook. If one panics the others are called all the same.
func (l *Life) runHooks(code int) {
	defer close(l.done)
	time.AfterFunc(l.hookTime, func() { os.Exit(code) })
	l.runEach(code)
}

func (l *Life) runEach(code int) {
	for {
		l.mu.Lock()
		n := len(l.hooks)
		if n == 0 {
			l.mu.Unlock()
			return
		}
		hook := *l.hooks[n-1]
		l.hooks = l.hooks[:n-1]
		l.mu.Unlock()
		func() {
			returned := false
			defer func() {
				if !returned { // it panics: that goes on when the others are done
					l.runEach(code)
				}
			}()
			hook(code)
			returned = true
		}()
	}
}

// panicCode is what Go's runtime ends a process with after a panic.
const panicCode = 2

// guard runs fn, and tells of its panic before that ends the process.
func (l *Life) guard(fn func()) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		stack := debug.Stack()
		l.mu.Lock()
		told := slices.Clone(l.uncaught)
		l.panicked = true
		l.mu.Unlock()
		defer panic(v) // whatever the hooks do
		for _, fn := range told {
			(*fn)(v, stack)
		}
		if l.begin() {
			l.runHooks(panicCode)
		}
		<-l.done // another may be at it
	}()
	fn()
}

func (l *Life) hasPanicked() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.panicked
}

// listen ends the process on a signal for which there is no handler.
func (l *Life) listen() {
	for s := range l.signals {
		sig, ok := s.(syscall.Signal)
		l.mu.Lock()
		handled := l.handled[sig] > 0
		l.mu.Unlock()
		if ok && !handled {
			l.Go(func() { l.die(sig) })
		}
	}
}

// die ends the process by a signal.
func (l *Life) die(sig syscall.Signal) {
	const bySignal = 128 // as shells and Node count
	signal.Reset(sig)
	if l.begin() {
		l.runHooks(bySignal + int(sig))
		if !l.hasPanicked() {
			_ = sys.Raise(sig) // to oneself: it cannot fail
		}
	}
	select {}
}
