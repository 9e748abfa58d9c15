package logs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/tendproc/tend/internal/sys"
)

// Null is the path that means: no file. The output is read and dropped.
const Null = "/dev/null"

// Options for a [Store].
type Options struct {
	Dir string // where files without a path of their own go; folders in it are private (0700)

	// OnError is told once when a file cannot be written, and again only after
	// it could be meanwhile. It may be called from any goroutine; nil ignores.
	OnError func(error)

	// Buffer is memory that outlives the daemon, from [NewBuffer]: what was read and
	// is not on file when this process is killed is found there by the next store.
	// It stays the caller's. nil: such output is lost.
	Buffer *os.File

	// Console shows all output besides; nil: it goes to its files only.
	Console *Console
}

// Target is one output stream of one instance and the file it goes to.
type Target struct {
	App       string
	Namespace string
	ID        int    // of the instance
	Name      string // "out" or "err"
	Path      string // absolute; "" is the default in Options.Dir, Null none
	Also      string // a second file that gets the lines, of several streams; "" for none
	Stamp     string // day.js format put before each line, or [JSONStamp]; "" for raw lines
	Raw       bool   // the process writes to the file itself
}

type streamKey struct {
	id   int
	name string
}

// Store knows all streams and files of a daemon. Its methods may be called
// from any goroutine.
type Store struct {
	options Options

	// pipes maps descriptors to what reads them. Apart from mu, so that a file
	// system that hangs under someone who holds mu stops no other pipe.
	pipes sync.Map // of int to *Pipe

	slots *slots
	shown map[string]*file // the console, by the name of the stream

	mu        sync.Mutex // guards what follows
	streams   map[streamKey]*Stream
	files     map[string]*file
	followers map[*follower]struct{}
	grown     int // pipes with a large kernel buffer
	stopped   bool

	// poller and polling are set once, with the first pipe.
	poller  *sys.Poller
	polling chan struct{} // closed when poll has ended
}

// NewStore returns a store without streams. It finishes what a former one was
// writing, see [Options.Buffer].
func NewStore(o Options) *Store {
	s := &Store{
		options:   o,
		streams:   make(map[streamKey]*Stream),
		files:     make(map[string]*file),
		followers: make(map[*follower]struct{}),
		shown:     o.Console.files(),
	}
	var err error
	if s.slots, err = newSlots(o.Buffer); err != nil {
		s.report(err)
	}
	s.recover()
	return s
}

// Open returns the stream of (t.ID, t.Name), with its folders made and its file
// open for appending, until [Stream.Release]. Who opens it with the properties
// it has shares it; with others a new stream takes its place, and the old one
// lives on with its pipes.
func (s *Store) Open(t Target) (*Stream, error) {
	t.Path = s.path(t)
	f, err := s.retain(t.Path)
	if err != nil {
		return nil, err
	}
	var also *file
	if t.Also != "" {
		if also, err = s.retain(filepath.Clean(t.Also)); err != nil {
			s.mu.Lock()
			s.releaseLocked(f)
			s.mu.Unlock()
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := streamKey{t.ID, t.Name}
	st := s.streams[key]
	if st != nil {
		if st.target == t {
			s.releaseLocked(f)
			s.releaseLocked(also)
			st.users++
			return st, nil
		}
		st.retired = true
	}
	st = &Stream{store: s, target: t, file: f, also: also, shown: s.shown[t.Name], users: 1}
	s.streams[key] = st
	for fo := range s.followers {
		fo.joinLocked(st)
	}
	return st, nil
}

// Flush empties the files of targets. A file that is not there is empty.
func (s *Store) Flush(targets ...Target) error {
	var errs []error
	done := map[string]bool{}
	for _, t := range targets {
		for _, path := range []string{s.path(t), t.Also} {
			if path == Null || path == "" || done[path] {
				continue
			}
			done[path] = true
			if err := s.truncate(path); err != nil {
				errs = append(errs, fmt.Errorf("flush: %w", err))
			}
		}
	}
	return errors.Join(errs...)
}

func (s *Store) truncate(path string) error {
	s.mu.Lock()
	f := s.files[path]
	s.mu.Unlock()
	if f != nil {
		return f.truncate()
	}
	// O_NONBLOCK and the check keep us from a FIFO or a device.
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	return os.Truncate(path, 0)
}

// Reopen opens every file anew by its name: after a rotation by renaming or
// deleting. Processes with raw logs keep the old file.
func (s *Store) Reopen() error {
	s.mu.Lock()
	files := make([]*file, 0, len(s.files))
	for _, f := range s.files {
		files = append(files, f)
	}
	s.mu.Unlock()
	var errs []error
	for _, f := range files {
		if err := f.reopen(); err != nil {
			errs = append(errs, fmt.Errorf("reopen: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Stop waits until every pipe has ended and all is on file, and then closes the
// files. When ctx ends first, the pipes are cut off where they are. No pipe
// can be made after.
func (s *Store) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	var cut error
	for p := range s.eachPipe() {
		select {
		case <-p.done:
		case <-ctx.Done():
			cut = ctx.Err()
			p.Hurry()
			p.cutOff()
		}
	}
	if s.poller != nil { // set no more: s is stopped
		s.poller.Close()
		<-s.polling
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.files {
		f.close()
	}
	return cut
}

// Freeze stops all reading until thaw is called. All that was read is on file then,
// but for unfinished lines, which are told to those who asked by [Pipe.OnFreeze].
func (s *Store) Freeze() (thaw func()) {
	s.mu.Lock()
	poller := s.poller
	s.mu.Unlock()
	if poller == nil {
		return func() {}
	}
	var held []*Pipe
	for p := range s.eachPipe() {
		p.Hurry()
		p.mu.Lock()
		held = append(held, p)
		p.freezeLocked()
	}
	return func() {
		for _, p := range held {
			p.thawLocked()
			p.mu.Unlock()
		}
	}
}

func (s *Store) eachPipe() iter.Seq[*Pipe] {
	return func(yield func(*Pipe) bool) {
		s.pipes.Range(func(_, p any) bool { return yield(p.(*Pipe)) })
	}
}

// retain returns the writer of path, made if need be. [Store.releaseLocked] gives it back.
func (s *Store) retain(path string) (*file, error) {
	s.mu.Lock()
	f := s.files[path]
	if f == nil {
		f = &file{path: path, private: s.private(path)}
		s.files[path] = f
	}
	f.refs++
	s.mu.Unlock()
	err := f.ensure()
	if full(err) {
		s.report(err) // no reason not to run: it is tried again with each line
		return f, nil
	}
	if err != nil {
		s.mu.Lock()
		s.releaseLocked(f)
		s.mu.Unlock()
		return nil, err
	}
	return f, nil
}

func (s *Store) releaseLocked(f *file) {
	if f == nil {
		return
	}
	f.refs--
	if f.refs == 0 {
		delete(s.files, f.path)
		f.close()
	}
}

// path is where t's lines go: its own path, or the default one.
func (s *Store) path(t Target) string {
	if t.Path != "" {
		return filepath.Clean(t.Path)
	}
	kind := "out"
	if t.Name == "err" {
		kind = "error"
	}
	return filepath.Join(s.options.Dir, FileName(t.App)+"-"+kind+".log")
}

func (s *Store) private(path string) bool {
	return s.options.Dir != "" && strings.HasPrefix(path, filepath.Clean(s.options.Dir)+string(filepath.Separator))
}

func (s *Store) report(err error) {
	if err != nil && s.options.OnError != nil {
		s.options.OnError(err)
	}
}

// FileName is the name of an app as a part of a file name: every character
// outside A-Z, a-z, 0-9, "." and "-" becomes "-".
func FileName(app string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-':
			return r
		}
		return '-'
	}, cmp.Or(app, "-"))
}
