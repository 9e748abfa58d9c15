package state

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/sys"
)

// Names of the files.
const (
	snapshotName = "state.json"
	copyName     = "state.json.copy"
	journalName  = "state.journal"
)

const (
	journalMost = 1 << 20                // a longer journal is put into a snapshot
	preallocate = 256 << 10              // of the journal, so that a full disk hurts late
	syncAfter   = 200 * time.Millisecond // a change is on the disk about so long after it
	retryAfter  = time.Second            // between tries to write to a disk that refuses
)

// Options for a [Store].
type Options struct {
	// OnError is told once when the state cannot be written, and again only after
	// it could be meanwhile. It may be called from any goroutine; nil ignores.
	OnError func(error)

	// Spare has all values while the files cannot: see [NewSpare]. Who keeps it beyond
	// the end of this process gives it to the next Open of dir, which finds what was
	// put last. It stays the caller's; nil is none.
	Spare *os.File
}

// Store is the map and its files. Its methods may be called from any goroutine.
type Store struct {
	o     Options
	dir   string
	found values
	notes []string
	wake  chan struct{} // has a token when there is something to sync
	turn  chan struct{} // held by who syncs; never while mu is held

	mu      sync.Mutex // guards what follows
	values  values
	batch   *[]change // what Together gathers; nil outside of it
	number  uint64    // of the snapshot
	journal *os.File  // nil while there is none that can be written
	size    int64     // of the journal's good part
	version uint64    // counts changes
	synced  uint64    // the last version known to be on the disk
	trouble
}

// trouble is with a disk that refuses.
type trouble struct {
	failed  error     // why the state cannot be written; nil if it can
	retryAt time.Time // not before
}

// Open reads what is in dir. It fails where a newer version has written, or
// where the folder cannot be used; garbage is moved aside and told in
// [Store.Notes]. [Store.Close] is the caller's to call.
func Open(dir string, o Options) (*Store, error) {
	s := &Store{o: o, dir: dir, wake: make(chan struct{}, 1), turn: make(chan struct{}, 1)}
	if err := s.load(); err != nil {
		return nil, err
	}
	s.loadSpare()
	s.found = maps.Clone(s.values)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.continueLocked() {
		s.rewriteLocked()
	}
	return s, nil
}

// continueLocked goes on with the journal there is, if all of it was good.
func (s *Store) continueLocked() bool {
	if len(s.notes) > 0 || s.size == 0 || s.size > journalMost/2 {
		return false
	}
	f, err := os.OpenFile(filepath.Join(s.dir, journalName), os.O_RDWR, 0o600)
	if err != nil {
		return false
	}
	s.journal = f
	s.version++ // whether the disk has it is not known
	return true
}

// Check tells whether this program can read what is in dir. It changes nothing.
func Check(dir string) error {
	for _, name := range []string{snapshotName, journalName} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return folderFault(dir, err)
		}
		if _, _, err := decodeHead(text); errors.Is(err, errNewer) {
			return newerFault(filepath.Join(dir, name), err)
		}
	}
	return nil
}

// Found is what was there at Open. It must not be changed.
func (s *Store) Found() map[string]json.RawMessage { return s.found }

// Notes says in sentences what was wrong with the files at Open.
func (s *Store) Notes() []string { return s.notes }

func (s *Store) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// load fills values from the files.
func (s *Store) load() error {
	if err := s.loadSnapshot(); err != nil {
		return err
	}
	path := filepath.Join(s.dir, journalName)
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return folderFault(s.dir, err)
	}
	good, lines, err := replay(s.number, s.values, text)
	s.size = int64(good)
	switch {
	case errors.Is(err, errNewer):
		return newerFault(path, err)
	case err != nil && len(text) > 0:
		s.note("%s: only its first %d changes could be read", path, lines)
		s.moveAside(path)
	}
	return nil
}

func (s *Store) loadSnapshot() error {
	s.values = values{}
	for _, name := range []string{snapshotName, copyName} {
		path := filepath.Join(s.dir, name)
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // nothing was ever written, or somebody took it away
		}
		if err != nil {
			return folderFault(s.dir, err)
		}
		number, m, err := decodeSnapshot(text)
		if err == nil {
			s.number, s.values = number, m
			return nil
		}
		if errors.Is(err, errNewer) {
			return newerFault(path, err)
		}
		s.note("%s could not be read: %v", path, err)
		s.moveAside(path)
	}
	return nil
}

// moveAside keeps a file that cannot be read for whoever wants to look at it.
func (s *Store) moveAside(path string) {
	to := path + ".bad-" + time.Now().UTC().Format("20060102T150405.000")
	if err := os.Rename(path, to); err != nil {
		s.note("move %s aside: %v", path, err)
		return
	}
	s.note("it is now %s", to)
}

// Put sets a value, a JSON text. When it returns, the kernel has it. Where that
// cannot be, Options.OnError is told.
func (s *Store) Put(key string, value []byte) { s.change(key, value) }

// Delete removes a value, in the same way.
func (s *Store) Delete(key string) { s.change(key, nil) }

// Together makes all that fn puts and deletes one change: after a crash all of it
// is there, or nothing. Within another one it is a part of that. Nobody else may
// put or delete meanwhile.
func (s *Store) Together(fn func()) {
	s.mu.Lock()
	nested := s.batch != nil
	if !nested {
		s.batch = new([]change)
	}
	s.mu.Unlock()
	fn()
	if nested {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list := *s.batch
	s.batch = nil
	if len(list) == 1 {
		s.writeLocked(list[0])
	} else if len(list) > 0 {
		s.writeLocked(change{All: list})
	}
}

func (s *Store) change(key string, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := change{Key: key, Value: bytes.Clone(value)}
	if _, ok := s.values[key]; value == nil && !ok {
		return
	}
	c.apply(s.values)
	if s.batch != nil {
		*s.batch = append(*s.batch, c)
		return
	}
	s.writeLocked(c)
}

// writeLocked gives the kernel a change that is made.
func (s *Store) writeLocked(c change) {
	s.version++
	line, err := appendChange(nil, c)
	if err != nil {
		s.failLocked(err) // a value that is no JSON: our own mistake
		return
	}
	s.appendLocked(line)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// appendLocked adds to the journal. Where there is none, all is written anew.
func (s *Store) appendLocked(line []byte) {
	if s.journal == nil {
		if !time.Now().Before(s.retryAt) {
			s.rewriteLocked()
		} else {
			s.spareLocked()
		}
		return
	}
	// At its place, not at the end: the rest of a line that did not fit is overwritten.
	n, err := s.journal.WriteAt(line, s.size)
	if err != nil {
		_ = s.journal.Truncate(s.size) // no half line, if that can be had
		_ = n
		s.dropJournalLocked()
		s.failLocked(err)
		return
	}
	s.size += int64(n)
	if s.size > journalMost {
		s.rewriteLocked()
	}
}

func (s *Store) dropJournalLocked() {
	if s.journal != nil {
		s.journal.Close()
		s.journal = nil
	}
}

func (s *Store) failLocked(err error) {
	first := s.failed == nil
	s.failed = fmt.Errorf("keep the state in %s: %w", s.dir, err)
	s.retryAt = time.Now().Add(retryAfter)
	if s.journal == nil {
		s.spareLocked()
	}
	if first && s.o.OnError != nil {
		s.o.OnError(s.failed)
	}
}

// rewriteLocked writes a snapshot and begins a journal. If it fails the old files
// are as they were, and still belong together.
func (s *Store) rewriteLocked() {
	if err := s.writeSnapshot(); err != nil {
		s.dropJournalLocked()
		s.failLocked(err)
		return
	}
	s.number++
	s.dropJournalLocked()
	if err := s.beginJournal(); err != nil {
		s.failLocked(err)
		return
	}
	s.failed, s.synced = nil, s.version
	s.emptySpareLocked()
}

// writeSnapshot writes all beside the snapshot there is, and puts it in its place.
func (s *Store) writeSnapshot() error {
	text, err := encodeSnapshot(s.number+1, s.values)
	if err != nil {
		return err
	}
	path := filepath.Join(s.dir, snapshotName)
	if err := writeFile(path+".new", text); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	if err := syncFolder(s.dir); err != nil {
		return err
	}
	// Without it a damaged snapshot has no substitute, and that is all.
	_ = writeFile(filepath.Join(s.dir, copyName), text)
	return nil
}

func (s *Store) beginJournal() error {
	f, err := os.OpenFile(filepath.Join(s.dir, journalName), os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	first, err := encodeHead(s.number)
	if err == nil {
		_ = sys.Preallocate(f, preallocate) // a favour, not a need
		_, err = f.WriteAt(first, 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	s.journal, s.size = f, int64(len(first))
	return nil
}

func writeFile(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(path)
	}
	return err
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Sync returns once all that was put before is on the disk, or with the reason
// why it is not. Calls at the same time share the work.
func (s *Store) Sync(ctx context.Context) error {
	s.mu.Lock()
	want := s.version
	s.mu.Unlock()
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.turn }()
	return s.sync(want)
}

// sync is called by who holds the turn.
func (s *Store) sync(want uint64) error {
	s.mu.Lock()
	if s.journal == nil {
		s.rewriteLocked()
	}
	if s.synced >= want || s.failed != nil {
		defer s.mu.Unlock()
		return s.failed
	}
	now, number := s.version, s.number
	file, err := sys.DupFile(s.journal) // it may be closed meanwhile
	s.mu.Unlock()
	gone := false
	if err == nil {
		err = file.Sync()
		gone = unlinked(file)
		file.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if gone && number == s.number { // somebody removed our files
		s.rewriteLocked()
		return s.failed
	}
	if err != nil && number == s.number {
		// The kernel may have dropped what it could not write: start afresh.
		s.dropJournalLocked()
		s.failLocked(err)
		return s.failed
	}
	s.synced = max(s.synced, now)
	return s.failed
}

func unlinked(f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Nlink == 0
}

// Run brings changes to the disk soon after they are made, until ctx is done.
// While nothing changes it sleeps.
func (s *Store) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		}
		timer := time.NewTimer(syncAfter)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		if err := s.Sync(ctx); err != nil && ctx.Err() == nil {
			// Told by OnError. The next change tries again.
			continue
		}
	}
}

// Close syncs and closes the files.
func (s *Store) Close() error {
	err := s.sync(^uint64(0) >> 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropJournalLocked()
	return err
}

func newerFault(path string, err error) error {
	return &fault.Error{
		Code: fault.Unsupported, Op: "read " + path, Message: "this tend cannot read it", Err: err,
		Remedy: "Use the tend that wrote it, or a newer one; or move the file away to begin with nothing.",
	}
}

func folderFault(dir string, err error) error {
	return &fault.Error{
		Code: fault.Denied, Op: "read the state in " + dir, Message: "not readable", Err: err,
		Remedy: "See to it that its owner may read and write it.",
	}
}
