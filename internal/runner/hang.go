package runner

import (
	"sync"
	"time"

	"github.com/tendproc/tend/internal/spec"
)

// pulse is what shows that a process does not hang.
type pulse struct {
	once sync.Once
	beat chan struct{} // has a token when it showed
}

func newPulse() *pulse { return &pulse{beat: make(chan struct{}, 1)} }

// lives notes that the process has shown that it does something.
func (l *life) lives() {
	select {
	case l.pulse.beat <- struct{}{}:
	default:
	}
}

// asks says that the process can be asked for its pulse.
func (l *life) asks() bool {
	return l.worker != 0 && l.spawn.App.Runtime == spec.Node && len(l.preload()) > 0
}

// watchOver begins to watch for a hang. A Node worker is asked from when it listens:
// until then it may be busy starting. Who tells by itself (WATCHDOG=1, sd_notify(3)) is
// watched from the first time it does.
func (l *life) watchOver() {
	if timeout := l.spawn.App.HangTimeout; timeout > 0 {
		// It ends with the process's channel.
		l.pulse.once.Do(func() { l.r.wg.Go(func() { l.watchPulse(timeout) }) })
	}
}

// watchPulse reports a process that showed nothing for as long as timeout. Two halves of
// it must pass without a sign, so that a stop of this process is not taken for one of that.
func (l *life) watchPulse(timeout time.Duration) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for missed := 0; ; {
		select {
		case <-l.pulse.beat:
			missed = 0
			continue
		case <-l.silent:
			return
		case <-l.r.cut:
			return
		case <-timer.C:
		}
		select {
		case <-l.pulse.beat:
			missed = 0
		default:
		}
		if missed == 2 {
			l.report(Hung{})
			return
		}
		missed++
		if l.asks() {
			l.r.options.Primary.Ping(l.worker)
		}
		timer.Reset(timeout / 2)
	}
}
