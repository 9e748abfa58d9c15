package lifecycle

import (
	"fmt"
	"slices"
	"time"
)

// rekill is how long after a SIGKILL the next follows, where something of the
// tree is still there: a process may fork while its tree is being killed.
const rekill = 5 * time.Second

// Step takes an instance from one state to the next. It changes nothing that s
// refers to. Facts about lives that are gone are dropped.
func Step(p Policy, s State, ev Event, now time.Time) (State, []Action) {
	s.Lives = slices.Clone(s.Lives)
	m := step{p: p, s: s, now: now}
	m.handle(ev)
	m.settle()
	return m.s, m.out
}

// step is one call of Step.
type step struct {
	p   Policy
	s   State
	now time.Time
	out []Action
}

func (m *step) handle(ev Event) {
	switch ev := ev.(type) {
	case Start:
		m.start(ev.Hold)
	case Stop:
		m.stopped(ev.Drain)
	case Restart:
		m.restart()
	case Reload:
		m.reload(ev.Trial)
	case Recycle:
		m.recycle()
	case Promote:
		m.promote()
	case Reject:
		m.reject()
	case Permit:
		if m.s.Held != "" && m.s.Phase == Stopped {
			m.start("")
		}
	case Refuse:
		if m.s.Held != "" && m.s.Phase == Stopped {
			m.s.Phase, m.s.Held, m.s.Reason = Failed, "", ev.Reason
		}
	case Delete:
		m.s.Deleting = true
		m.stopped(ev.Drain)
	case Reset:
		m.s.Restarts = 0
		m.forgive()
	case Spawned:
		m.spawned(ev)
	case Adopted:
		m.adopted(ev)
	case Lost:
		m.lost(ev)
	case SpawnFailed:
		m.spawnFailed(ev)
	case Online:
		m.online(ev)
	case Prepared:
		m.prepared(ev)
	case Admit:
		if l := m.s.Find(ev.Gen); l != nil && (l.Stage == Booting || l.Stage == Serving) {
			l.Waits, l.Admitted = false, true
			m.do(Route{l.Gen})
		}
	case Listening:
		m.listening(ev)
	case ListenFailed:
		if l := m.s.Find(ev.Gen); l != nil {
			l.Trouble = ev.Reason
		}
	case Hung:
		m.hung(ev)
	case Ready:
		m.ready(m.s.Find(ev.Gen))
	case Leaving:
		m.leaving(ev)
	case Disconnected:
		if l := m.s.Find(ev.Gen); l != nil && l.Stage == Draining && !l.Leaves() {
			m.end(l)
		}
	case Exited:
		m.exited(ev)
	case Gone:
		m.exited(Exited{Gen: ev.Gen, Code: -1})
		m.remove(ev.Gen)
	case Tick:
		m.tick()
	}
}

// settle draws the conclusions that hold after every event.
func (m *step) settle() {
	if m.s.Phase == Stopping && len(m.s.Lives) == 0 {
		m.s.Phase = Stopped
		switch {
		case m.s.Deleting:
			m.do(Forget{})
		case m.s.Goal == Up && m.s.Held != "":
			m.s.Reason = m.s.Held
		case m.s.Goal == Up:
			m.spawn(Current)
		}
	}
	m.age()
	m.schedule()
	m.s.WakeAt = m.s.wakeAt()
}

// age sets the day on which the current life is recycled.
func (m *step) age() {
	c := m.s.Current()
	if m.p.MaxAge <= 0 || c == nil || c.Stage != Serving || !c.Deadline.IsZero() || c.Overdue || m.s.as(Successor) != nil {
		return
	}
	at := c.SpawnedAt.Add(time.Duration(float64(m.p.MaxAge) * jitter(m.s.Seed, c.Gen)))
	if !at.After(m.now) { // its successor did not come up
		at = m.now.Add(max(m.p.MaxAge/10, time.Second))
	}
	c.Deadline = at
}

// recycle replaces a process that runs by a fresh one.
func (m *step) recycle() {
	switch {
	case m.s.Phase != Running || m.s.Deleting || m.s.as(Successor) != nil:
	case m.p.Overlap:
		m.spawn(Successor)
	default:
		m.s.Restarts++
		m.endAll(0)
	}
}

func (m *step) do(a Action) { m.out = append(m.out, a) }

func (m *step) start(hold string) {
	if m.s.Deleting {
		return
	}
	m.s.Goal, m.s.Held = Up, ""
	m.forgive()
	switch m.s.Phase {
	case Stopped, Failed:
		if m.s.Phase, m.s.Held, m.s.Reason = Stopped, hold, hold; hold == "" {
			m.spawn(Current)
		}
	case Backoff:
		m.s.Reason = ""
		m.respawn()
	case Stopping: // settle spawns when the old one is gone
		m.s.Held = hold
	case Starting, Running:
	}
}

func (m *step) restart() {
	if p := m.s.Phase; m.s.Deleting || p != Starting && p != Running {
		m.start("")
		return
	}
	m.forgive()
	m.s.Restarts++
	m.endAll(0)
}

func (m *step) reload(trial bool) {
	if m.s.Phase != Running || !m.p.Overlap || m.s.Deleting {
		m.restart()
		return
	}
	m.forgive()
	if l := m.s.as(Successor); l != nil { // it may have read what has changed since
		if l.Trial {
			return
		}
		l.Role = Old
		m.end(l)
	}
	m.spawn(Successor)
	m.s.as(Successor).Trial = trial
}

// promote ends a trial well.
func (m *step) promote() {
	l := m.s.as(Successor)
	if l == nil || !l.Trial {
		return
	}
	l.Trial = false
	if l.Stage == Serving {
		m.succeed(l)
	}
}

// reject ends a trial, with what the successor has begun.
func (m *step) reject() {
	l := m.s.as(Successor)
	if l == nil || !l.Trial {
		return
	}
	l.Role = Old
	if l.Stage == Serving {
		m.drain(l)
	} else {
		m.end(l)
	}
}

// drain lets a life finish what it has begun. What is no cluster worker is asked
// to end, which it may take as long for.
func (m *step) drain(l *Life) {
	if !m.p.Cluster {
		m.end(l)
		l.Deadline = m.now.Add(max(m.p.Drain, m.p.Grace))
		return
	}
	m.do(Unroute{l.Gen})
	m.do(Disconnect{l.Gen})
	l.Stage, l.Deadline = Draining, m.now.Add(m.p.Drain)
}

// stopped ends all there is. With drain, a cluster worker that serves may finish
// what it has begun; the next command ends that, too.
func (m *step) stopped(drain bool) {
	m.s.Goal, m.s.Held = Down, ""
	m.s.Due = time.Time{}
	if c := m.s.Current(); drain && m.p.Cluster && c != nil && c.Stage == Serving {
		m.drain(c)
		m.endAll(c.Gen)
		return
	}
	m.endAll(0)
}

// forgive forgets how often it died: an operator's hand is a new beginning.
func (m *step) forgive() {
	m.s.Unstable, m.s.Streak, m.s.Short = 0, 0, nil
}

func (m *step) spawn(r Role) {
	m.s.Gen++
	m.s.Lives = append(m.s.Lives, Life{Gen: m.s.Gen, Role: r, Stage: Spawning})
	m.s.Due = time.Time{}
	if r == Current {
		m.s.Phase = Starting
	}
	m.do(Spawn{m.s.Gen})
}

// respawn fills the instance again after a life that ended by itself.
func (m *step) respawn() {
	m.s.Restarts++
	m.spawn(Current)
}

// endAll ends every life but the generation spare.
func (m *step) endAll(spare uint64) {
	for i := range m.s.Lives {
		l := &m.s.Lives[i]
		if l.Role == Successor {
			l.Role = Old
		}
		if l.Gen != spare {
			m.end(l)
		}
	}
	m.s.Phase, m.s.Reason = Stopping, ""
}

// end asks a life to end, unless it is at that already.
func (m *step) end(l *Life) {
	switch l.Stage {
	case Spawning:
		m.do(Cancel{l.Gen})
		l.Stage, l.Deadline = Ending, time.Time{}
	case Booting, Serving, Draining:
		if m.p.Cluster {
			m.do(Unroute{l.Gen})
		}
		m.do(Terminate{l.Gen})
		l.Stage, l.Deadline = Ending, m.now.Add(m.p.Grace)
	case Ending, Killed, Ended:
	}
}

func (m *step) remove(gen uint64) {
	if i := m.s.index(gen); i >= 0 {
		m.s.Lives = slices.Delete(m.s.Lives, i, i+1)
	}
}

func (m *step) spawned(ev Spawned) {
	l := m.s.Find(ev.Gen)
	if l == nil || !l.SpawnedAt.IsZero() {
		return
	}
	l.PID, l.SpawnedAt = ev.PID, m.now
	if l.Stage == Ending { // unwanted since it was asked for
		l.Stage = Booting
		m.end(l)
		return
	}
	l.Stage, l.Deadline = Booting, m.now.Add(m.p.ListenTimeout)
	if !m.p.Cluster && !m.p.WaitReady {
		prove := m.p.Prove
		if l.Role == Successor { // the old one serves meanwhile: there is time to be sure
			prove = max(prove, m.p.MinUptime)
		}
		l.Deadline = m.now.Add(prove)
		if m.p.Lenient && l.Role == Current {
			m.ready(l)
		}
	}
}

func (m *step) online(ev Online) {
	l := m.s.Find(ev.Gen)
	if l == nil || !l.OnlineAt.IsZero() {
		return
	}
	l.OnlineAt = m.now
	if m.p.Lenient && !m.p.WaitReady && l.Role == Current {
		m.ready(l)
		return
	}
	if l.Stage == Booting && m.proves(l) {
		l.Deadline = m.now.Add(m.p.Prove)
	}
}

// proves says whether a booting life shows that it is ready by staying up: who
// was never seen to listen may not mean to.
func (m *step) proves(l *Life) bool {
	if m.p.WaitReady {
		return false
	}
	return !m.p.Cluster || !m.s.Listens && !l.OnlineAt.IsZero()
}

func (m *step) listening(ev Listening) {
	l := m.s.Find(ev.Gen)
	if l == nil || l.Role == Old {
		return
	}
	m.s.Listens, l.Trouble = true, ""
	if !m.p.WaitReady {
		m.ready(l)
	}
}

// prepared makes a life ready that has come as far as it may on standby.
func (m *step) prepared(ev Prepared) {
	l := m.s.Find(ev.Gen)
	if l == nil || l.Stage != Booting || l.Role == Old {
		return
	}
	l.Waits = true
	m.ready(l)
}

// hung kills what serves no more. Its end is one as any other, with the reason.
func (m *step) hung(ev Hung) {
	l := m.s.Find(ev.Gen)
	if l == nil || l.Stage != Serving {
		return
	}
	l.Trouble = ev.Reason
	if m.p.Cluster {
		m.do(Unroute{l.Gen})
	}
	m.do(Kill{l.Gen})
}

func (m *step) ready(l *Life) {
	switch {
	case l == nil || l.Stage != Booting && !l.Overdue || l.Role == Old:
	case l.Overdue:
		l.Overdue = false
		m.s.Reason = ""
	case l.Role == Successor:
		l.Stage, l.Deadline = Serving, time.Time{}
		if !l.Trial {
			m.succeed(l)
		}
	default:
		l.Stage, l.Deadline = Serving, time.Time{}
		m.s.Phase, m.s.Reason = Running, ""
	}
}

// succeed puts a ready successor in the place of the current life, which drains.
func (m *step) succeed(l *Life) {
	if c := m.s.Current(); c != nil {
		c.Role = Old
		m.drain(c)
	}
	l.Role = Current
	m.s.Restarts++
	m.s.Phase, m.s.Reason = Running, ""
}

func (m *step) tick() {
	for i := range m.s.Lives {
		if l := &m.s.Lives[i]; !l.Deadline.IsZero() && !l.Deadline.After(m.now) {
			m.overdue(l)
		}
	}
	if m.s.Phase == Backoff && !m.s.Due.After(m.now) {
		m.respawn()
	}
	m.onTime()
}

// overdue is a life whose stage has lasted as long as it may.
func (m *step) overdue(l *Life) {
	switch l.Stage {
	case Booting:
		if m.p.Lenient || m.proves(l) {
			m.ready(l)
			return
		}
		m.s.Failure = Failure{l.Gen, m.notReady(l)}
		if l.Role == Successor {
			l.Role = Old
			m.end(l)
			return
		}
		// It may only be slow: it stays, and who waits for it is told.
		l.Stage, l.Deadline, l.Overdue = Serving, time.Time{}, true
		m.s.Phase, m.s.Reason = Running, m.s.Failure.Reason
	case Draining:
		m.end(l)
	case Ending, Killed:
		m.do(Kill{l.Gen})
		l.Stage, l.Deadline = Killed, m.now.Add(rekill)
	case Ended:
		m.do(Kill{l.Gen})
		l.Deadline = m.now.Add(rekill)
	case Serving:
		l.Deadline = time.Time{}
		if m.p.MaxAge > 0 && l.Role == Current {
			m.recycle()
		}
	case Spawning:
		l.Deadline = time.Time{}
	}
}

func (m *step) notReady(l *Life) string {
	what := "did not listen"
	switch {
	case m.p.WaitReady:
		what = "was not ready"
	case l.OnlineAt.IsZero():
		what = "did not come online"
	}
	text := fmt.Sprintf("%s within %v", what, m.p.ListenTimeout)
	if l.Trouble != "" {
		text += ": " + l.Trouble
	}
	return text
}
