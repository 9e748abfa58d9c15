package supervisor

import "github.com/tendproc/tend/internal/lifecycle"

// Of an app with a standby, every worker boots as far as to listen and waits there.
// As many as are to serve are let in, at once; when one of those ends, one that waits
// takes its part, and its successor in the slot becomes the next that waits.

// waiting takes a worker's word that it has come as far as to listen. One that
// takes the place of a worker in service, or tries to, is let in before that goes.
func (l *loop) waiting(sl *slot, gen uint64) {
	life := sl.state.Find(gen)
	replaces := life.Role == lifecycle.Successor && (life.Trial || sl.state.Current().InService())
	if replaces || life.Admitted || l.missing(sl.spec.Name) > 0 {
		l.step(sl, lifecycle.Admit{Gen: gen})
		return
	}
	l.step(sl, lifecycle.Prepared{Gen: gen})
}

// missing is how many of an app's workers are to be in service and are not.
func (l *loop) missing(name string) int {
	all, up, serve, standby := 0, 0, 0, 0
	for _, sl := range l.named(name) {
		if sl.state.Deleting {
			continue
		}
		all++
		standby = sl.spec.Standby
		if sl.state.Goal == lifecycle.Up {
			up++
		}
		if sl.state.Current().InService() {
			serve++
		}
	}
	return min(up, max(1, all-standby)) - serve
}

// enlist lets workers in that wait, while some are missing: sl's own if it waits,
// else the one with the lowest id.
func (l *loop) enlist(sl *slot) {
	if sl.spec.Standby == 0 || l.missing(sl.spec.Name) <= 0 {
		return
	}
	for _, other := range append([]*slot{sl}, l.named(sl.spec.Name)...) {
		c := other.state.Current()
		if c != nil && c.Waits && c.Stage == lifecycle.Serving && other.state.Goal == lifecycle.Up {
			l.step(other, lifecycle.Admit{Gen: c.Gen}) // and so on, until none is missing
			return
		}
	}
}
