package watch

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/tendproc/tend/internal/spec"
)

// Key names a watch: whom it is for, and which of its watches it is.
type Key struct {
	ID int
	N  uint64
}

// Request is what to watch.
type Request struct {
	Key   Key
	Watch spec.Watch
	Cwd   string
	Avoid []string  // paths that never matter
	Since time.Time // what has changed since then is told of, too; zero for nothing
}

// Report is what became of a watch. Sealed: the types below.
//
//sumtype:decl
type Report interface{ report() }

type (
	// Began: from now on changes are told of. What cannot be watched is in Err.
	Began struct{ Err error }
	// Failed: from now on something is not watched any more.
	Failed struct{ Err error }
	// Changed: files came to be, changed or went. Without Paths it is not known which.
	Changed struct {
		Paths []string // those that are still there first
		More  int
	}
)

func (Began) report()   {}
func (Failed) report()  {}
func (Changed) report() {}

// Watcher watches files for any number of requests. Its methods may be called
// from any goroutine and return at once; Report is called by Run's and must too.
type Watcher struct {
	report func(Key, Report)
	wake   chan struct{} // has a token when orders wait

	mu     sync.Mutex // guards orders
	orders []order
}

// order begins a watch, or ends that of id.
type order struct {
	req *Request
	id  int
}

// New returns a watcher of nothing.
func New(report func(Key, Report)) *Watcher {
	return &Watcher{report: report, wake: make(chan struct{}, 1)}
}

// Watch begins a watch, in place of that which the same ID has.
func (w *Watcher) Watch(r Request) { w.put(order{req: &r, id: r.Key.ID}) }

// Unwatch ends the watch of id.
func (w *Watcher) Unwatch(id int) { w.put(order{id: id}) }

func (w *Watcher) put(o order) {
	w.mu.Lock()
	w.orders = append(w.orders, o)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *Watcher) take() []order {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.orders
	w.orders = nil
	return list
}

// Run watches until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	t := &tree{report: w.report, subs: map[int]*sub{}, dirs: map[string]*dir{}}
	defer t.close()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		for _, o := range w.take() {
			t.end(o.id)
			if o.req != nil {
				t.begin(*o.req)
			}
		}
		t.tick(time.Now())
		timer.Stop()
		if at := t.wakeAt(); !at.IsZero() {
			timer.Reset(time.Until(at))
		}
		events, failures := t.sources()
		select {
		case <-ctx.Done():
			return nil
		case <-w.wake:
		case <-timer.C:
		case ev := <-events:
			t.event(ev)
		case err := <-failures:
			t.failed(err)
		}
	}
}

// tree is what Run's goroutine knows.
type tree struct {
	report func(Key, Report)
	notify *fsnotify.Watcher // nil while nothing is watched
	subs   map[int]*sub
	dirs   map[string]*dir // by real path: all that the system was asked about
}

// sub is one watch.
type sub struct {
	Request
	filter filter
	burst  burst
	began  bool
	err    error // why something of it cannot be watched: the first reason
}

// dir is a folder that the system tells of, and for whom.
type dir struct{ uses []use }

// use is what a folder is to a watch.
type use struct {
	sub  *sub
	root root
	path string // as the watch came to it
	wait bool   // only until the root is there again
}

func (t *tree) sources() (chan fsnotify.Event, chan error) {
	if t.notify == nil {
		return nil, nil
	}
	return t.notify.Events, t.notify.Errors
}

func (t *tree) close() {
	if t.notify != nil {
		_ = t.notify.Close()
		t.notify = nil
	}
}

// begin begins a watch.
func (t *tree) begin(r Request) {
	s := &sub{Request: r, filter: newFilter(r.Watch, r.Cwd, r.Avoid)}
	t.subs[r.Key.ID] = s
	if t.notify == nil {
		n, err := fsnotify.NewWatcher()
		if err != nil {
			t.report(r.Key, Began{Err: limitFault(err, r.Cwd)})
			return
		}
		t.notify = n
	}
	paths := r.Watch.Paths
	if len(paths) == 0 {
		paths = []string{r.Cwd}
	}
	for _, p := range paths {
		s.filter.roots = append(s.filter.roots, rootOf(p))
	}
	for _, ro := range s.filter.roots {
		t.enter(s, ro)
	}
	s.began = true
	t.report(r.Key, Began{Err: s.err})
}

// trouble notes what keeps something from being watched, and tells it once.
func (t *tree) trouble(s *sub, err error) {
	if s.err != nil || errors.Is(err, fs.ErrNotExist) {
		return
	}
	s.err = err
	if s.began {
		t.report(s.Key, Failed{Err: err})
	}
}

// end ends the watch of id.
func (t *tree) end(id int) {
	s := t.subs[id]
	if s == nil {
		return
	}
	delete(t.subs, id)
	t.leaveAll(s)
	if len(t.subs) == 0 {
		t.close()
		clear(t.dirs)
	}
}

func (t *tree) leaveAll(s *sub) {
	for real := range t.dirs {
		t.leave(real, func(u use) bool { return u.sub == s })
	}
}

// leave takes uses from a folder, and the folder from the system with the last.
func (t *tree) leave(real string, which func(use) bool) {
	d := t.dirs[real]
	d.uses = slices.DeleteFunc(d.uses, which)
	if len(d.uses) == 0 {
		delete(t.dirs, real)
		_ = t.notify.Remove(real) // it may be gone
	}
}

func (t *tree) tick(now time.Time) {
	for _, s := range t.subs {
		if at := s.burst.due(s.Watch.Delay); !at.IsZero() && !at.After(now) {
			b := s.burst
			s.burst = burst{}
			t.report(s.Key, Changed{Paths: thereFirst(b.paths), More: b.more})
		}
	}
}

// thereFirst puts what is still there before what went, as an editor's copies do.
func thereFirst(paths []string) []string {
	gone := func(p string) int {
		if _, err := os.Lstat(p); err != nil {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(paths, func(a, b string) int { return gone(a) - gone(b) })
	return paths
}

func (t *tree) wakeAt() (at time.Time) {
	for _, s := range t.subs {
		if d := s.burst.due(s.Watch.Delay); !d.IsZero() && (at.IsZero() || d.Before(at)) {
			at = d
		}
	}
	return at
}

// failed is what the system could not tell.
func (t *tree) failed(err error) {
	switch {
	case err == nil: // closed
	case errors.Is(err, fsnotify.ErrEventOverflow):
		t.rescan()
	default:
		for _, s := range t.subs {
			t.trouble(s, limitFault(err, s.Cwd))
		}
	}
}

// rescan is for when the system has dropped events: nobody knows which.
func (t *tree) rescan() {
	for _, s := range t.subs {
		t.leaveAll(s)
		s.Since = time.Now().Add(-lately)
		for _, r := range s.filter.roots {
			t.enter(s, r)
		}
		s.burst.add("", time.Now())
	}
}

// event is one that the system tells.
func (t *tree) event(ev fsnotify.Event) {
	if ev.Name == "" {
		return
	}
	if t.dirs[ev.Name] != nil && ev.Has(fsnotify.Remove|fsnotify.Rename) {
		t.gone(ev.Name)
	}
	d := t.dirs[filepath.Dir(ev.Name)]
	if d == nil {
		return
	}
	info, err := os.Lstat(ev.Name)
	for _, u := range slices.Clone(d.uses) {
		path := filepath.Join(u.path, filepath.Base(ev.Name))
		switch {
		case u.wait:
			if err == nil && below(u.root.dir, path) {
				t.came(u)
			}
		case err == nil && ev.Op == fsnotify.Chmod && (info.IsDir() || !fresh(info)):
			// its rights or its owner: what is in it is the same
		case err == nil && ev.Has(fsnotify.Create) && t.folder(u.sub, path, info):
			if u.sub.filter.wants(u.root, path, true) {
				u.sub.burst.add(path, time.Now())
			}
			t.walk(u.sub, u.root, path, time.Unix(1, 0))
		case u.sub.filter.wants(u.root, path, err == nil && info.IsDir()):
			u.sub.burst.add(path, time.Now())
		}
	}
}

// came is for something in a folder in which a root is waited for.
func (t *tree) came(u use) {
	t.enter(u.sub, u.root)
	if nearest(u.root.dir) == u.root.dir {
		u.sub.burst.add(u.root.dir, time.Now())
	}
}

// lately is how long ago a file may have got its time to count as just changed.
const lately = 2 * time.Second

// fresh says that the time of a file was just set, as touch does.
func fresh(info fs.FileInfo) bool {
	age := time.Since(info.ModTime())
	return age < lately && age > -lately
}

func below(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}
