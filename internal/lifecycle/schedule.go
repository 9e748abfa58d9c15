package lifecycle

import (
	"time"

	"github.com/tendproc/tend/internal/cron"
)

// missed is how late a time of the pattern is still kept. One that passed while
// the machine or the daemon was down is left out.
const missed = time.Minute

// schedule finds the next time of the pattern: when there is a new one, and when
// the clock was put back. One that has come waits for its Tick.
func (m *step) schedule() {
	if m.p.Cron == "" || m.s.Deleting {
		m.s.Cron, m.s.CronAt = "", time.Time{}
		return
	}
	if m.s.Cron != m.p.Cron {
		m.s.Cron, m.s.CronAt = m.p.Cron, time.Time{}
	}
	if at := m.s.CronAt; !at.IsZero() && !at.After(m.now) {
		return
	}
	next, err := cron.Next(m.p.Cron, m.now)
	if err == nil && (m.s.CronAt.IsZero() || next.Before(m.s.CronAt)) { // else it never comes due again
		m.s.CronAt = next
	}
}

// onTime does what a time of the pattern is for: what ends of its own accord and
// is not restarted for it runs again, unless it still does; all else is replaced.
// Also what an operator has stopped.
func (m *step) onTime() {
	at := m.s.CronAt
	if at.IsZero() || at.After(m.now) {
		return
	}
	m.s.CronAt = time.Time{}
	if m.s.Cron != m.p.Cron || m.s.Deleting || m.now.Sub(at) > missed {
		return
	}
	switch m.s.Phase {
	case Stopped, Failed, Backoff:
		if m.s.Held == "" {
			m.start("")
		}
	case Running:
		if m.p.Autorestart {
			m.forgive()
			m.recycle()
		}
	case Starting, Stopping: // it is new, or is to end
	}
}
