package runner

import (
	"strconv"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/logs"
	"github.com/tendproc/tend/internal/procs"
)

// strayGrace is what a process has to end in that nobody knows any more.
const strayGrace = 2 * time.Second

// Adopt takes over the life of a former runner. What comes of it is reported,
// first of all Adopted or Lost. It is false if nothing of it was held.
func (r *Runner) Adopt(s Spawn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.held[s.Key]
	delete(r.held, s.Key)
	if h == nil {
		h = r.stray(s)
	}
	if h == nil || r.closed || r.lives[s.Key] != nil {
		return false
	}
	l := &life{
		r: r, spawn: s, tail: new(logs.Tail), silent: make(chan struct{}),
		marks: marks{tree: h.meta.Tree, worker: h.meta.Worker}, former: h, doors: doors{pulse: newPulse()},
	}
	if h.files[heldChannel] == nil && !h.stray { // it never came to a process
		h.close()
		l.unhold()
		return false
	}
	r.adopting.Add(1)
	r.beginLocked(l)
	return true
}

// stray looks for the process of a life whose descriptors died with the keeper.
// It cannot be guarded any more, having no channel and nobody who reads its
// output, but must not run beside its successor.
func (r *Runner) stray(s Spawn) *heldLife {
	if s.PID <= 0 {
		return nil
	}
	p, err := procs.Get(s.PID)
	if err != nil || !p.Alive() {
		return nil
	}
	var reader procs.Reader
	env, err := reader.Environ(s.PID)
	if err != nil {
		return nil
	}
	home, _ := procs.Lookup(env, "TEND_HOME")
	id, _ := procs.Lookup(env, "pm_id")
	tree, ok := procs.Lookup(env, child.MarkerVar)
	if !ok || home != r.options.Home || id != strconv.Itoa(s.Key.ID) {
		return nil // the number is another's now
	}
	return &heldLife{stray: true, meta: channelMeta{Tree: tree}, id: child.Identity{PID: s.PID, Start: p.Start, Tree: tree, Session: -1}}
}

// Retain says that all lives that there are have been adopted, and which apps
// there are. What else is held of a former runner is let go of, and its processes
// are ended; it returns whose they are.
func (r *Runner) Retain(apps []string) (keys []Key) {
	r.options.Primary.Retain(apps)
	r.sockets.retain(apps)
	r.wg.Go(func() {
		r.adopting.Wait()
		r.options.Logs.Settle()
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, h := range r.held {
		keys = append(keys, k)
		l := &life{r: r, spawn: Spawn{Key: k}}
		r.wg.Add(1)
		go l.endHeld(h)
	}
	clear(r.held)
	return keys
}

// endHeld ends a process that nobody knows any more.
func (l *life) endHeld(h *heldLife) {
	defer l.r.wg.Done()
	defer l.unhold()
	defer h.close()
	if h.id.PID == 0 {
		var ok bool
		if h.id, ok = child.FindTree(h.meta.Tree); !ok {
			return
		}
	}
	proc, err := child.Adopt(child.Adoption{Identity: h.id, FD: h.take(heldProcess), Status: l.status})
	if err != nil {
		return
	}
	defer proc.Close()
	_, _ = proc.Stop(lifetime(l.r.cut), child.StopOptions{Grace: strayGrace, Tree: true})
}

// adopt takes over the process, with what this side has of its descriptors.
func (l *life) adopt() (*child.Process, Report) {
	defer l.r.adopting.Done()
	h := l.former
	defer h.close() // what is not taken
	if h.id.PID == 0 {
		// The former runner died between the fork and its note of it, or before the fork.
		var ok bool
		if h.id, ok = child.FindTree(h.meta.Tree); !ok {
			return nil, Lost{}
		}
	}
	proc, err := child.Adopt(child.Adoption{Identity: h.id, FD: h.take(heldProcess), Status: l.status})
	if err != nil {
		return nil, Lost{}
	}
	if h.stray {
		close(l.silent)
		l.want(terminate) // begun as soon as it is ours
		return proc, Adopted{PID: proc.PID()}
	}
	if groups := l.r.options.Groups; groups != nil {
		l.group = groups.Find(l.groupName())
	}
	l.adoptOutput()
	l.ready.Store(h.meta.Ready)
	l.said.Store(h.meta.Said)
	l.drains.Store(h.meta.Drains)
	l.tells = h.meta.Tells
	if err := l.giveChannel(h.take(heldChannel)); err != nil {
		l.disconnected() // it cannot be had any more
	} else if l.tells {
		_ = l.send([]byte(stir)) // who has closed its channel tells nothing
	}
	l.mu.Lock()
	if l.input = h.take(heldInput); l.input != nil {
		_ = l.hold(heldInput, l.input, nil)
	}
	l.mu.Unlock()
	l.holdProcess(proc)
	l.r.sockets.use(l.spawn.App.Listen)
	l.listens = true
	l.adoptNotify(h.take(heldNotify))
	if h.meta.Ready {
		l.report(Ready{})
	}
	return proc, Adopted{PID: proc.PID()}
}

func (l *life) status(pid int) (child.Exit, bool) {
	if l.r.options.Status == nil {
		return child.Exit{}, false
	}
	return l.r.options.Status(l.spawn.Key, pid)
}

// adoptOutput joins the pipes to the logs again. Where a file cannot be had the
// output is read all the same: else the process would stop at a full pipe.
func (l *life) adoptOutput() {
	for _, t := range l.targets() {
		f := l.former.take(t.Name)
		if f == nil {
			continue // it writes to its file itself
		}
		st, err := l.r.options.Logs.Open(t)
		if err != nil {
			t.Path = logs.Null
			if st, err = l.r.options.Logs.Open(t); err != nil {
				f.Close()
				continue
			}
		}
		l.pipes.streams = append(l.pipes.streams, st)
		p, err := st.Adopt(f, l.tail, l.former.unfinished[t.Name])
		if err != nil {
			continue
		}
		if t.Name == heldOut {
			l.pipes.out = p
		} else {
			l.pipes.err = p
		}
		_ = l.holdOutput(t.Name, p)
	}
}
