package supervisor

import (
	"slices"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/runner"
	"github.com/tendproc/tend/internal/spec"
)

// report takes a fact about one life to its slot. Facts about lives that are
// gone are dropped.
func (l *loop) report(k runner.Key, r runner.Report) {
	sl := l.slots[k.ID]
	if sl == nil || sl.state.Find(k.Gen) == nil {
		l.boots.ends(k)
		return
	}
	switch r := r.(type) {
	case runner.Spawned:
		l.o.Runner.Listen(sl.spec.Name, sl.spec.Listen)
		if sl.app().Mode != spec.Cluster {
			l.boots.runs(k, r.PID, bootForked)
		}
		l.step(sl, lifecycle.Spawned{Gen: k.Gen, PID: r.PID})
	case runner.Adopted:
		l.step(sl, lifecycle.Adopted{Gen: k.Gen, PID: r.PID})
	case runner.Lost:
		l.step(sl, lifecycle.Lost{Gen: k.Gen})
	case runner.SpawnFailed:
		l.boots.ends(k)
		sl.last = words{gen: k.Gen, err: r.Err}
		l.step(sl, lifecycle.SpawnFailed{Gen: k.Gen, Reason: r.Err.Error(), Final: final(r.Err)})
	case runner.Online:
		l.boots.runs(k, sl.state.Find(k.Gen).PID, bootOnline)
		l.step(sl, lifecycle.Online{Gen: k.Gen})
	case runner.Waiting:
		l.boots.ends(k)
		l.waiting(sl, k.Gen)
	case runner.Listening:
		l.boots.ends(k)
		l.listening(sl, k.Gen, r.Address)
	case runner.ListenFailed:
		l.step(sl, lifecycle.ListenFailed{Gen: k.Gen, Reason: r.Address + ": " + r.Err.Error()})
	case runner.ProbeFailed:
		l.step(sl, lifecycle.ListenFailed{Gen: k.Gen, Reason: "probe " + sl.app().Probe + ": " + r.Err.Error()})
	case runner.Hung:
		l.step(sl, lifecycle.Hung{Gen: k.Gen, Reason: "did not answer for " + sl.spec.HangTimeout.String()})
	case runner.Worn:
		if c := sl.state.Current(); c != nil && c.Gen == k.Gen {
			l.step(sl, lifecycle.Recycle{})
		}
	case runner.Ready:
		l.boots.ends(k)
		l.step(sl, lifecycle.Ready{Gen: k.Gen})
	case runner.Message:
		l.message(sl, k, r.Data)
	case runner.Leaving:
		l.step(sl, lifecycle.Leaving{Gen: k.Gen})
	case runner.Disconnected:
		l.step(sl, lifecycle.Disconnected{Gen: k.Gen})
	case runner.Exited:
		l.boots.ends(k)
		l.exited(sl, k.Gen, r)
	case runner.Gone:
		l.boots.ends(k)
		delete(sl.listening, k.Gen)
		if len(r.Log) > 0 || sl.last.gen != k.Gen {
			sl.last = words{gen: k.Gen, log: r.Log}
		}
		l.step(sl, lifecycle.Gone{Gen: k.Gen})
	}
}

func (l *loop) listening(sl *slot, gen uint64, address string) {
	if slices.Contains(sl.listening[gen], address) {
		return
	}
	sl.listening[gen] = append(sl.listening[gen], address)
	l.stepAs(sl, lifecycle.Listening{Gen: gen}, event.Listened)
}

func (l *loop) exited(sl *slot, gen uint64, r runner.Exited) {
	delete(sl.listening, gen)
	exit := r.Exit
	exit.Gen = gen
	sl.lastExit = &exit
	sl.last = words{gen: gen, log: r.Log}
	if exit.OutOfMemory {
		l.step(sl, lifecycle.ListenFailed{Gen: gen, Reason: "used more memory than its limit of " + megabytes(sl.spec.MemoryLimit)})
	}
	l.stepAs(sl, lifecycle.Exited{Gen: gen, Code: r.Exit.Code, Signal: r.Exit.Signal}, event.Exited)
}

// final says that trying to spawn again cannot help: the declaration is wrong,
// or what it names is not there.
func final(err error) bool {
	switch fault.CodeOf(err) {
	case fault.Invalid, fault.NotFound, fault.Denied, fault.Unsupported:
		return true
	}
	return false
}
