package supervisor

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/spec"
	"github.com/tendproc/tend/internal/watch"
)

// Watcher tells when files change, through [Supervisor.FilesReport]. It is called
// by the loop and returns at once.
type Watcher interface {
	Watch(r watch.Request)
	Unwatch(id int)
}

// watching is what is watched for an instance.
type watching struct {
	n     uint64
	spec  spec.Watch
	cwd   string
	began bool
	waits []*wait // commands that are complete when it has begun
}

// FilesReport takes what became of a watch. It never blocks.
func (s *Supervisor) FilesReport(k watch.Key, r watch.Report) {
	s.inbox.put(func(l *loop) { l.filesReport(k, r) })
}

// watch has the files of sl watched that its declaration names; what has changed
// since then counts.
func (l *loop) watch(sl *slot, since time.Time) {
	if l.o.Watcher == nil {
		return
	}
	now, a := l.watches[sl.id], sl.spec
	switch {
	case sl.deleted || !a.Watch.On:
		if now != nil {
			delete(l.watches, sl.id)
			l.o.Watcher.Unwatch(sl.id)
			now.begin()
		}
		return
	case now != nil && now.cwd == a.Cwd && reflect.DeepEqual(now.spec, a.Watch):
		return
	}
	next := &watching{n: 1, spec: a.Watch, cwd: a.Cwd}
	if now != nil {
		next.n = now.n + 1
		now.begin()
	}
	l.watches[sl.id] = next
	out, err := a.LogPaths(sl.id)
	l.o.Watcher.Watch(watch.Request{
		Key: watch.Key{ID: sl.id, N: next.n}, Watch: a.Watch, Cwd: a.Cwd, Avoid: []string{out, err, l.o.Profile.LogDir}, Since: since,
	})
}

// begin lets the commands go on that wait for it.
func (w *watching) begin() {
	w.began = true
	for _, one := range w.waits {
		one.finish(nil)
	}
	w.waits = nil
}

// awaitWatch waits until what is declared of sl is watched.
func (w *wait) awaitWatch(sl *slot) {
	if one := w.l.watches[sl.id]; one != nil && !one.began {
		w.pending++
		one.waits = append(one.waits, w)
	}
}

func (l *loop) filesReport(k watch.Key, r watch.Report) {
	sl, now := l.slots[k.ID], l.watches[k.ID]
	if sl == nil || now == nil || now.n != k.N {
		return // of an older one
	}
	switch r := r.(type) {
	case watch.Began:
		if r.Err != nil {
			l.o.Log("%s: %v", sl.label(), r.Err)
			for _, w := range now.waits {
				w.warnings = append(w.warnings, sl.label()+": "+advice(r.Err))
			}
		}
		now.begin()
	case watch.Failed:
		l.o.Log("%s: %v", sl.label(), r.Err)
	case watch.Changed:
		l.filesChanged(sl, r)
	}
}

// advice is an error with what to do about it, in one line.
func advice(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Remedy != "" {
		return f.Error() + ". " + f.Remedy
	}
	return err.Error()
}

// filesChanged replaces the process of an instance that is wanted.
func (l *loop) filesChanged(sl *slot, r watch.Changed) {
	if sl.state.Goal == lifecycle.Down || sl.state.Deleting || l.last.closing {
		return
	}
	files := make([]string, len(r.Paths))
	for i, p := range r.Paths {
		files[i] = p
		if rel, err := filepath.Rel(sl.spec.Cwd, p); err == nil && filepath.IsLocal(rel) {
			files[i] = rel
		}
	}
	l.o.Log("%s is restarted: %s changed", sl.label(), nameFiles(files, r.More))
	l.publish(sl, event.Event{Type: event.FilesChanged, Files: files})
	l.step(sl, lifecycle.Reload{})
}

// nameFiles names a few of many files.
func nameFiles(files []string, more int) string {
	const most = 3
	switch n := len(files) + more; {
	case len(files) == 0:
		return "files"
	case n <= most:
		return strings.Join(files, ", ")
	default:
		return fmt.Sprintf("%s and %d more", files[0], n-1)
	}
}
