package cluster

// The decisions of the primary: who gets the next connection, and what becomes
// of what a worker had. Pure: values in, values out.

import (
	"bytes"
	"strconv"
	"time"
)

const (
	defaultWindow = 8                      // connections a worker may have unanswered
	lateAfter     = 5 * time.Millisecond   // an answer older than this makes the window 1
	minRest       = 10 * time.Millisecond  // how long a worker that refused is left alone
	maxRest       = 250 * time.Millisecond // … when it refuses again and again
	lingerTime    = 2 * time.Second        // how long a closed address waits to be opened again
	shortagePause = 5 * time.Millisecond   // wait for descriptors to be free again
	napTime       = 300 * time.Microsecond // see crowded
	yieldAfter    = 4 * time.Millisecond   // see nap
)

// load is how busy a worker is.
type load struct {
	pending int       // connections it was handed and has not answered
	oldest  time.Time // when the first of them was sent
	full    bool      // its channel takes no more for now
	away    bool      // it is leaving: nothing new for it
}

// room reports whether the worker can be handed one more connection. One that
// keeps us waiting is busy with something else: it gets nothing further until
// it has answered.
func (l *load) room(window int, now time.Time) bool {
	switch {
	case l.full || l.away:
		return false
	case l.pending == 0:
		return true
	case now.Sub(l.oldest) > lateAfter:
		return false
	}
	return l.pending < window
}

// crowded reports whether the loop does well to let some events gather before
// it looks again: wake-ups are most of what a connection costs, and with several
// connections on their way nobody waits for the loop alone.
func crowded(unanswered int) bool { return unanswered >= 2 }

// seat is a worker's place at a listener that hands out connections.
type seat struct {
	worker *worker
	load   *load         // the worker's, over all its seats
	turn   uint64        // when it was last served here, in turns of the listener
	rest   time.Duration // how long it rests after the next refusal; 0 when it accepts
	until  time.Time     // it refused: rest until then
}

// next picks who gets the next connection: the seat with the fewest unanswered
// connections, in turn among equals. Nil when nobody has room.
func next(seats []*seat, window int, now time.Time) (best *seat) {
	for _, s := range seats {
		if !s.load.room(window, now) || now.Before(s.until) {
			continue
		}
		if best == nil || s.load.pending < best.load.pending ||
			s.load.pending == best.load.pending && s.turn < best.turn {
			best = s
		}
	}
	return best
}

// sessionOwner reads, from the head of an HTTP request, the number of the worker
// that has the session which the request belongs to: see [StickyVar].
func sessionOwner(head []byte) (worker uint64, ok bool) {
	line, _, _ := bytes.Cut(head, []byte("\r\n"))
	_, query, _ := bytes.Cut(line, []byte("?"))
	query, _, whole := bytes.Cut(query, []byte(" "))
	for len(query) > 0 {
		var param []byte
		var more bool
		param, query, more = bytes.Cut(query, []byte("&"))
		id, is := bytes.CutPrefix(param, []byte("sid="))
		if !is {
			continue
		}
		if !whole && !more {
			return 0, false // cut off
		}
		dot := bytes.LastIndexByte(id, '.')
		worker, err := strconv.ParseUint(string(id[dot+1:]), 10, 64)
		if dot < 0 || err != nil {
			return 0, false
		}
		return worker, true
	}
	return 0, false
}

// refused lets the seat rest, twice as long each time in a row.
func (s *seat) refused(now time.Time) {
	s.rest = min(max(minRest, 2*s.rest), maxRest)
	s.until = now.Add(s.rest)
}

// accepted ends the seat's rest.
func (s *seat) accepted() {
	if s.rest > 0 {
		s.rest, s.until = 0, time.Time{}
	}
}

// wake returns when the first resting seat may be asked again; zero when none rests.
func wake(seats []*seat, now time.Time) (at time.Time) {
	for _, s := range seats {
		if now.Before(s.until) {
			at = earliest(at, s.until)
		}
	}
	return at
}

// earliest returns the earlier of two times, where zero is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// sent is one descriptor handed to a worker, in the order of sending.
type sent struct {
	seq      int64
	fd       int // our duplicate of the connection; -1 when it is a listener that was lent
	listener *listener
	at       time.Time
	acked    bool         // the worker has received it, and may use it
	answered bool         // nothing more is expected of it but the acknowledgement
	ask      int64        // of a lent listener: the seq of the question it answers
	tries    int          // of a lent listener: how often it was sent before
	taken    chan<- error // of a connection that is for this worker alone: has room for what became of it
}

// ledger is what a worker was handed and has not finished with.
type ledger struct {
	entries []sent
	head    int
}

func (g *ledger) add(s sent) {
	if g.head == len(g.entries) {
		g.entries, g.head = g.entries[:0], 0
	} else if len(g.entries) == cap(g.entries) && g.head > 0 {
		n := copy(g.entries, g.entries[g.head:])
		clear(g.entries[n:])
		g.entries, g.head = g.entries[:n], 0
	}
	g.entries = append(g.entries, s)
}

// acknowledged finds the first entry that was not acknowledged and marks it so.
// Acknowledgements carry no number: they come in the order of sending.
func (g *ledger) acknowledged() *sent {
	for i := g.head; i < len(g.entries); i++ {
		if s := &g.entries[i]; !s.acked {
			s.acked = true
			return s
		}
	}
	return nil
}

// answer finds the connection that was sent with seq and marks it answered, and
// so received; nil when there is none that waits.
func (g *ledger) answer(seq int64) *sent {
	for i := g.head; i < len(g.entries); i++ {
		if s := &g.entries[i]; s.seq == seq && s.fd >= 0 && !s.answered {
			s.acked, s.answered = true, true
			return s
		}
	}
	return nil
}

// owed is how many connections that are for this worker alone wait for its answer.
func (g *ledger) owed() (n int) {
	for i := g.head; i < len(g.entries); i++ {
		if s := &g.entries[i]; s.taken != nil && !s.answered {
			n++
		}
	}
	return n
}

// trim forgets the finished entries at the front and updates the worker's load.
func (g *ledger) trim(l *load) {
	for g.head < len(g.entries) && g.entries[g.head].acked && g.entries[g.head].answered {
		g.entries[g.head] = sent{}
		g.head++
	}
	l.pending, l.oldest = 0, time.Time{}
	for i := g.head; i < len(g.entries); i++ {
		if s := &g.entries[i]; s.fd >= 0 && !s.answered {
			if l.pending == 0 {
				l.oldest = s.at
			}
			l.pending++
		}
	}
}

// fate is what becomes of a connection whose worker died.
type fate int

const (
	done  fate = iota // the worker finished with it
	lost              // the worker may have read from it: close it
	again             // the worker never touched it: give it to another
)

func (s *sent) fate() fate {
	switch {
	case s.fd < 0 || s.answered:
		return done
	case s.acked, s.taken != nil:
		return lost
	}
	return again
}
