package runner

import (
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/sys"
)

// perform carries out what was ordered meanwhile.
func (l *life) perform() {
	for _, o := range l.takeOrders() {
		switch o {
		case terminate:
			l.pipes.graceEnds = time.Now().Add(l.spawn.App.KillTimeout)
			l.terminate()
		case kill:
			l.pipes.graceEnds = time.Time{}
			l.proc.SignalTree(syscall.SIGKILL) // what it misses is swept after the exit
		}
	}
}

func (l *life) terminate() {
	app := l.spawn.App
	if app.StopMessage && l.send([]byte(`"shutdown"`)) == nil {
		return
	}
	sig, err := sys.ParseSignal(app.StopSignal)
	if err != nil {
		sig = syscall.SIGTERM // spec checks the name; "" is the default
	}
	// An error means that there is nobody to signal: then the exit is on its way.
	if app.TreeKill {
		l.proc.SignalTree(sig)
	} else {
		l.proc.Signal(sig)
	}
}

// graceForRest waits, after a terminated main process has ended, for what it
// started: a shell is gone at once while the program in it still finishes its
// work. Who holds the output is taken for at work; its grace ends with a kill order.
func (l *life) graceForRest() {
	left := time.Until(l.pipes.graceEnds)
	if left <= 0 || !l.spawn.App.TreeKill {
		return
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	for _, p := range l.pipes.both() {
		for waiting := true; waiting; {
			select {
			case <-p.Done():
				waiting = false
			case <-l.wake:
				for _, o := range l.takeOrders() {
					if o == kill {
						return
					}
				}
			case <-timer.C:
				return
			case <-l.r.cut:
				return
			}
		}
	}
}
