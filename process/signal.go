package process

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/tendproc/tend/internal/sys"
)

// ParseSignal reads a signal as Node and kill(1) write it: "SIGTERM", "term", "15",
// "SIGRTMIN+3".
func ParseSignal(name string) (syscall.Signal, error) { return sys.ParseSignal(name) }

// SignalName is Node's name for sig: "SIGTERM".
func SignalName(sig syscall.Signal) string { return sys.SignalName(sig) }

// On has fn called, in a goroutine of its own, each time the signal of that name comes.
// As in Node, SIGHUP, SIGINT and SIGTERM do not end a process that handles
// them: fn calls [Life.Exit], or has fn of [Main] return.
func (l *Life) On(name string, fn func()) (remove func(), err error) {
	sig, err := sys.ParseSignal(name)
	switch {
	case err != nil:
		return nil, err
	case sig == syscall.SIGKILL || sig == syscall.SIGSTOP:
		return nil, fmt.Errorf("no program can handle %s", sys.SignalName(sig))
	}
	came := make(chan os.Signal, 1)
	l.handle(sig, 1)
	signal.Notify(came, sig)
	l.Go(func() { // until removed, or the process ends
		for range came {
			fn()
		}
	})
	return sync.OnceFunc(func() {
		signal.Stop(came)
		l.handle(sig, -1)
		close(came)
	}), nil
}

func (l *Life) handle(sig syscall.Signal, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handled[sig] += n
}
