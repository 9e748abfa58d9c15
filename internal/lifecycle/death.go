package lifecycle

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// The built-in backoff: short, so that an app dying at once is given up after
// seconds, and still hardly a load.
const (
	firstDelay = 20 * time.Millisecond
	lastDelay  = time.Second
)

// The operator's own backoff, as PM2 has it.
const (
	lastOwnDelay = 15 * time.Second
	ownReset     = 30 * time.Second // an uptime that starts the series anew
)

// growth is the factor from one delay to the next.
const growth = 1.5

func (m *step) spawnFailed(ev SpawnFailed) {
	l := m.s.Find(ev.Gen)
	if l == nil {
		return
	}
	life := *l
	m.remove(ev.Gen)
	switch {
	case m.s.Phase == Stopping || life.Role == Old:
	case life.Role == Successor:
		m.s.Failure = Failure{ev.Gen, ev.Reason}
	case ev.Final:
		m.s.Failure = Failure{ev.Gen, ev.Reason}
		m.s.Phase, m.s.Reason = Failed, ev.Reason
	default:
		m.s.Failure = Failure{ev.Gen, ev.Reason}
		m.again(life, ev.Reason)
	}
}

func (m *step) exited(ev Exited) {
	l := m.s.Find(ev.Gen)
	if l == nil || l.Stage == Ended {
		return
	}
	life := *l
	l.Stage, l.PID = Ended, 0
	if life.Stage != Ending && life.Stage != Killed {
		l.Deadline = m.now.Add(m.p.Grace) // for what it may leave behind
	}
	if m.s.Phase == Stopping || life.Role == Old {
		return
	}
	reason := m.cause(life, ev)
	final := !m.p.Autorestart || ev.Signal == "" && slices.Contains(m.p.StopExitCodes, ev.Code)
	fine := ev.Signal == "" && (ev.Code == 0 || slices.Contains(m.p.StopExitCodes, ev.Code))
	if life.Role == Successor || life.Stage != Serving && !(final && fine) {
		m.s.Failure = Failure{ev.Gen, reason}
	}
	l.Role = Old
	if life.Role == Successor || m.inherit(reason) {
		return
	}
	if final {
		m.s.Phase, m.s.Reason = Stopped, reason
		return
	}
	m.again(life, reason)
}

// leaving starts the successor of a worker that has announced its end while the
// worker still serves. It ends when it likes: nothing hurries it but a command.
func (m *step) leaving(ev Leaving) {
	l := m.s.Find(ev.Gen)
	if l == nil || l.Role == Old || m.s.Phase == Stopping || l.Stage == Ending {
		return
	}
	const reason = "announced its end"
	life := *l
	if life.Stage == Booting || life.Role == Successor {
		m.s.Failure = Failure{ev.Gen, reason + " before it was ready"}
	}
	if life.Role == Successor {
		l.Role = Old
		m.end(l)
		return
	}
	if !m.p.Autorestart && m.s.as(Successor) == nil {
		return // its exit will be the end of it
	}
	l.Role, l.Stage, l.Deadline = Old, Draining, time.Time{}
	m.do(Unroute(ev))
	if !m.inherit(reason) {
		m.again(life, reason)
	}
}

// inherit makes the successor, if there is one, the current life before its time.
func (m *step) inherit(reason string) bool {
	l := m.s.as(Successor)
	if l == nil {
		return false
	}
	l.Role = Current
	m.s.Restarts++
	m.s.Phase, m.s.Reason = Starting, reason
	if l.Trial = false; l.Stage == Serving {
		m.s.Phase, m.s.Reason = Running, ""
	}
	return true
}

// again decides what follows a current life that ended by itself: a spawn at
// once, a spawn after a delay, or giving up.
func (m *step) again(life Life, reason string) {
	m.s.Reason = reason
	if m.stable(life) {
		m.s.Unstable = 0
	} else {
		m.s.Unstable++
		m.s.Short = m.recent(m.s.Short)
		if n := len(m.s.Short); n >= m.p.MaxRestarts {
			m.s.Phase = Failed
			m.s.Reason = fmt.Sprintf("gave up after %d short lives in %v: %s", n, round(m.now.Sub(m.s.Short[0])), reason)
			return
		}
	}
	delay := m.delay(life)
	if delay <= 0 {
		m.respawn()
		return
	}
	m.s.Phase, m.s.Due = Backoff, m.now.Add(delay)
}

// stable says whether a life came up and lasted. It counts from when its
// program began to run, however long the machine took to get there.
func (m *step) stable(l Life) bool {
	return l.Stage == Serving && m.uptime(l) >= m.p.MinUptime
}

func (m *step) uptime(l Life) time.Duration {
	switch {
	case !l.OnlineAt.IsZero():
		return m.now.Sub(l.OnlineAt)
	case !l.SpawnedAt.IsZero():
		return m.now.Sub(l.SpawnedAt)
	}
	return 0
}

// recent returns the ends of short lives within the window, this one included.
func (m *step) recent(ends []time.Time) []time.Time {
	var kept []time.Time
	for _, t := range ends {
		if m.now.Sub(t) <= m.p.Window {
			kept = append(kept, t)
		}
	}
	return append(kept, m.now)
}

func (m *step) delay(life Life) time.Duration {
	if m.p.RestartDelay > 0 {
		return m.p.RestartDelay
	}
	first, last := firstDelay, lastDelay
	if m.p.Backoff > 0 {
		first, last = m.p.Backoff, max(m.p.Backoff, lastOwnDelay)
		if reset := m.p.BackoffReset; reset > 0 && m.uptime(life) >= reset || reset == 0 && m.stable(life) && m.uptime(life) >= ownReset {
			m.s.Streak = 0
		}
	} else if m.p.Immediate || m.stable(life) {
		m.s.Streak = 0
		return 0
	}
	grown := math.Min(float64(first)*math.Pow(growth, float64(m.s.Streak)), float64(last))
	m.s.Streak++
	return time.Duration(grown * jitter(m.s.Seed, m.s.Gen))
}

// jitter is a factor from 0.9 to 1.1, always the same for the same numbers, so
// that instances which died together do not come back together.
func jitter(seed, gen uint64) float64 {
	z := seed + gen*0x9e3779b97f4a7c15 // splitmix64
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return 0.9 + 0.2*float64(z>>11)/(1<<53)
}

// cause says how a life ended, with what had gone wrong before.
func (m *step) cause(l Life, ev Exited) string {
	how := fmt.Sprintf("exited with code %d", ev.Code)
	switch {
	case ev.Signal != "":
		how = "ended by " + ev.Signal
	case ev.Code < 0:
		how = "ended unseen"
	}
	if !l.SpawnedAt.IsZero() {
		how += fmt.Sprintf(" after %v", round(m.now.Sub(l.SpawnedAt)))
	}
	if l.Trouble != "" {
		how = l.Trouble + ": " + how
	}
	return how
}

// round drops the digits nobody reads.
func round(d time.Duration) time.Duration {
	if d >= 10*time.Second {
		return d.Round(time.Second)
	}
	return d.Round(time.Millisecond)
}
