package lifecycle

// adopted goes on with a life where the former daemon stopped. What that had
// decided it may have done or not, so it is decided again: each action bears it.
func (m *step) adopted(ev Adopted) {
	l := m.s.Find(ev.Gen)
	if l == nil {
		return
	}
	switch l.Stage {
	case Spawning:
		m.spawned(Spawned(ev))
		return
	case Ending:
		if l.SpawnedAt.IsZero() { // it was to be cancelled, and came too late
			m.spawned(Spawned(ev))
			return
		}
		if m.p.Cluster {
			m.do(Unroute{l.Gen})
		}
		m.do(Terminate{l.Gen})
	case Draining:
		m.do(Unroute{l.Gen})
		if !l.Leaves() {
			m.do(Disconnect{l.Gen})
		}
	case Killed:
		m.do(Kill{l.Gen})
	case Booting, Serving, Ended:
	}
	if l.Stage != Ended {
		l.PID = ev.PID
	}
}

// lost is a life of which nothing is left. One that was only asked for can
// still be had; of one that ran nobody can say how it ended.
func (m *step) lost(ev Lost) {
	l := m.s.Find(ev.Gen)
	switch {
	case l == nil:
	case l.Stage == Spawning:
		m.do(Spawn(ev))
	case l.Stage == Ending && l.SpawnedAt.IsZero():
		m.spawnFailed(SpawnFailed{Gen: ev.Gen, Reason: "no longer wanted"})
	default:
		m.exited(Exited{Gen: ev.Gen, Code: -1})
		m.remove(ev.Gen)
	}
}
