package cluster

import (
	"slices"
	"testing"
	"time"
)

var start = time.Unix(1000, 0)

func TestRoom(t *testing.T) {
	tests := map[string]struct {
		load load
		want bool
	}{
		"idle":                  {load{}, true},
		"some pending":          {load{pending: 7, oldest: start.Add(-time.Millisecond)}, true},
		"window used up":        {load{pending: 8, oldest: start.Add(-time.Millisecond)}, false},
		"keeps us waiting":      {load{pending: 1, oldest: start.Add(-lateAfter - 1)}, false},
		"idle, old time":        {load{oldest: start.Add(-time.Hour)}, true},
		"channel full":          {load{full: true}, false},
		"leaving":               {load{away: true}, false},
		"exactly at the border": {load{pending: 1, oldest: start.Add(-lateAfter)}, true},
	}
	for name, tt := range tests {
		if got := tt.load.room(8, start); got != tt.want {
			t.Errorf("%s: room = %t, want %t", name, got, tt.want)
		}
	}
}

// seats makes one seat for each number of pending connections.
func seats(pending ...int) (list []*seat) {
	for _, n := range pending {
		list = append(list, &seat{load: &load{pending: n, oldest: start}})
	}
	return list
}

func TestNextTakesTurns(t *testing.T) {
	list := seats(0, 0, 0)
	var order []int
	for turn := range 7 {
		s := next(list, 8, start)
		s.turn = uint64(turn) + 1
		order = append(order, slices.Index(list, s))
	}
	if want := []int{0, 1, 2, 0, 1, 2, 0}; !slices.Equal(order, want) {
		t.Errorf("order = %v, want %v", order, want)
	}
}

func TestNextPrefersTheLeastBusy(t *testing.T) {
	list := seats(2, 1, 3)
	if got := slices.Index(list, next(list, 8, start)); got != 1 {
		t.Errorf("next = %d, want 1", got)
	}
	list[1].load.full = true
	if got := slices.Index(list, next(list, 8, start)); got != 0 {
		t.Errorf("next without 1 = %d, want 0", got)
	}
	if got := next(seats(8, 8), 8, start); got != nil {
		t.Errorf("next of full workers = %v, want none", got)
	}
	if got := next(nil, 8, start); got != nil {
		t.Errorf("next of nobody = %v, want none", got)
	}
}

func TestRefusalsRestLonger(t *testing.T) {
	s := seats(0)[0]
	now := start
	for i, want := range []time.Duration{10, 20, 40, 80, 160, 250, 250} {
		s.refused(now)
		if got := s.until.Sub(now); got != want*time.Millisecond {
			t.Errorf("rest %d = %v, want %v", i, got, want*time.Millisecond)
		}
		if next([]*seat{s}, 8, now) != nil {
			t.Errorf("rest %d: a resting seat was asked", i)
		}
		if got := wake([]*seat{s}, now); got != s.until {
			t.Errorf("wake %d = %v, want %v", i, got, s.until)
		}
		now = s.until
		if next([]*seat{s}, 8, now) != s {
			t.Errorf("rest %d: not asked after its rest", i)
		}
	}
	s.accepted()
	if s.refused(now); s.rest != minRest {
		t.Errorf("rest after an acceptance = %v, want %v", s.rest, minRest)
	}
}

func TestLedger(t *testing.T) {
	var g ledger
	var l load
	at := start
	for seq := range int64(4) {
		fd := int(seq) + 10
		if seq == 1 {
			fd = -1 // a listener that was lent
		}
		g.add(sent{seq: seq, fd: fd, at: at})
		at = at.Add(time.Millisecond)
	}
	g.trim(&l)
	if l.pending != 3 || !l.oldest.Equal(start) {
		t.Fatalf("load = %+v, want 3 pending since the start", l)
	}
	for want := range int64(3) {
		if s := g.acknowledged(); s == nil || s.seq != want {
			t.Fatalf("acknowledged = %+v, want seq %d", s, want)
		} else if s.fd < 0 {
			s.answered = true
		}
	}
	if s := g.answer(2); s == nil || s.fd != 12 {
		t.Errorf("answer(2) = %+v, want fd 12", s)
	}
	for _, seq := range []int64{1, 2, 9} {
		if s := g.answer(seq); s != nil {
			t.Errorf("answer(%d) = %+v, want none", seq, s)
		}
	}
	g.trim(&l)
	if l.pending != 2 || !l.oldest.Equal(start) {
		t.Errorf("load = %+v, want 2 pending since the start", l)
	}
	var fates []fate
	for i := range g.entries[g.head:] {
		fates = append(fates, g.entries[g.head+i].fate())
	}
	if want := []fate{lost, done, done, again}; !slices.Equal(fates, want) {
		t.Errorf("fates = %v, want %v", fates, want)
	}
	g.answer(0)
	g.answer(3) // says that it was received, too
	g.trim(&l)
	if l.pending != 0 || g.head != len(g.entries) {
		t.Errorf("load = %+v with %d entries left, want none", l, len(g.entries)-g.head)
	}
}

func TestLedgerReusesItsMemory(t *testing.T) {
	var g ledger
	var l load
	seq := int64(0)
	turn := func() {
		g.add(sent{seq: seq, fd: 1})
		g.acknowledged()
		g.answer(seq)
		g.trim(&l)
		seq++
	}
	g.add(sent{seq: -1, fd: 1})
	for range 100 {
		turn()
	}
	g.acknowledged()
	g.answer(-1)
	if got := testing.AllocsPerRun(100, turn); got != 0 {
		t.Errorf("allocations per connection = %v, want 0", got)
	}
}

func TestEarliest(t *testing.T) {
	var never time.Time
	later := start.Add(1)
	for _, tt := range []struct{ a, b, want time.Time }{
		{never, never, never}, {never, start, start}, {start, never, start}, {start, later, start}, {later, start, start},
	} {
		if got := earliest(tt.a, tt.b); !got.Equal(tt.want) {
			t.Errorf("earliest(%v, %v) = %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
}
