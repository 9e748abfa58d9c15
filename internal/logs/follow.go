package logs

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tendproc/tend/internal/event"
)

// A follower that has this much waiting misses what comes next.
const (
	maxWaiting      = 16 << 10 // lines
	maxWaitingBytes = 8 << 20
)

// follower is one observer of streams. Writers never wait for it.
type follower struct {
	match func(Target) bool
	wake  chan struct{} // holds one token while there is something to take

	mu     sync.Mutex // guards what follows
	lines  []event.LogLine
	bytes  int
	missed int
}

// joinLocked makes fo an observer of st, if it matches. It needs Store.mu held.
func (fo *follower) joinLocked(st *Stream) {
	if !fo.match(st.target) {
		return
	}
	st.file.mu.Lock()
	defer st.file.mu.Unlock()
	st.addFollowerLocked(fo)
}

// addFollowerLocked needs file.mu held.
func (st *Stream) addFollowerLocked(fo *follower) {
	var list []*follower
	if old := st.followers.Load(); old != nil {
		list = append(list, *old...)
	}
	list = append(list, fo)
	st.followers.Store(&list)
}

func (st *Stream) removeFollower(fo *follower) {
	st.file.mu.Lock()
	defer st.file.mu.Unlock()
	old := st.followers.Load()
	if old == nil {
		return
	}
	var list []*follower
	for _, f := range *old {
		if f != fo {
			list = append(list, f)
		}
	}
	if list == nil {
		st.followers.Store(nil)
		return
	}
	st.followers.Store(&list)
}

// follow registers an observer of all streams that match, now and later, and
// tells how long each file is at that very point: what is before it is only on
// file, what comes after goes to the follower.
func (s *Store) follow(match func(Target) bool) (*follower, map[string]int64) {
	fo := &follower{match: match, wake: make(chan struct{}, 1)}
	sizes := make(map[string]int64)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.followers[fo] = struct{}{}
	byFile := make(map[*file][]*Stream)
	for _, st := range s.streams {
		if match(st.target) {
			byFile[st.file] = append(byFile[st.file], st)
		}
	}
	for f, streams := range byFile {
		// All streams of a file in one step: they share its length.
		f.mu.Lock()
		for _, st := range streams {
			st.addFollowerLocked(fo)
		}
		sizes[f.path] = f.sizeLocked()
		f.mu.Unlock()
	}
	return fo, sizes
}

func (s *Store) unfollow(fo *follower) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.followers, fo)
	for _, st := range s.streams {
		st.removeFollower(fo)
	}
	for p := range s.eachPipe() { // of streams retired since
		p.stream.removeFollower(fo)
	}
}

// publish hands the lines of text to whoever follows. It needs file.mu held and
// never waits. continues tells that text begins within a line.
func (st *Stream) publish(text []byte, now time.Time, continues bool) {
	followers := st.followers.Load()
	if followers == nil {
		return
	}
	all := string(text)
	var lines []event.LogLine
	for first := true; all != ""; first = false {
		line, rest, _ := strings.Cut(all, "\n")
		all = rest
		if first && continues && line == "" {
			continue // only the end of a line that was passed on already
		}
		lines = append(lines, event.LogLine{
			ID: st.target.ID, App: st.target.App, Stream: st.target.Name, At: now, Text: line,
		})
	}
	if len(lines) == 0 {
		return
	}
	for _, fo := range *followers {
		fo.push(lines, len(text))
	}
}

func (fo *follower) push(lines []event.LogLine, size int) {
	fo.mu.Lock()
	defer fo.mu.Unlock()
	// After a miss nothing until the next take: the note of the gap stands where the gap is.
	if fo.missed > 0 || len(fo.lines)+len(lines) > maxWaiting || fo.bytes+size > maxWaitingBytes {
		fo.missed += len(lines)
	} else {
		fo.lines = append(fo.lines, lines...)
		fo.bytes += size
	}
	select {
	case fo.wake <- struct{}{}:
	default:
	}
}

// take returns what is waiting, with a note in the place of what was missed.
func (fo *follower) take() []event.LogLine {
	fo.mu.Lock()
	defer fo.mu.Unlock()
	lines := fo.lines
	if fo.missed > 0 {
		lines = append(lines, event.LogLine{
			ID: -1, App: "tend", Stream: "err", At: time.Now(),
			Text: fmt.Sprintf("%d lines skipped: they came faster than they were read; they are in the files", fo.missed),
		})
	}
	fo.lines, fo.bytes, fo.missed = nil, 0, 0
	return lines
}
