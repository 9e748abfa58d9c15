package keeper

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestGap(t *testing.T) {
	for short, want := range map[int]time.Duration{
		0: 0, 1: 0, 2: 100 * time.Millisecond, 3: 200 * time.Millisecond, 5: 800 * time.Millisecond,
		9: 10 * time.Second, 1000: 10 * time.Second,
	} {
		if got := gap(short); got != want {
			t.Errorf("gap(%d) = %v, want %v", short, got, want)
		}
	}
}

func TestAfter(t *testing.T) {
	for name, c := range map[string]struct {
		short          int
		served, killed bool
		lived          time.Duration
		want           int
	}{
		"killed while it took over":           {0, false, true, time.Millisecond, 1},
		"and again":                           {1, false, true, time.Millisecond, 2},
		"killed, and it had served":           {5, true, true, time.Second, 0},
		"ended by itself, and it had served":  {2, true, false, time.Second, 3},
		"ended by itself after a long life":   {7, true, false, time.Minute, 1},
		"killed at last, and it never served": {3, false, true, time.Minute, 1},
	} {
		if got := after(c.short, c.served, c.killed, c.lived); got != c.want {
			t.Errorf("%s: %d short lives, want %d", name, got, c.want)
		}
	}
}

// Notes tell what is held, however the last line is cut, and written anew they say
// the same.
func TestReplay(t *testing.T) {
	text := `{"type":"store","name":"a","pid":7,"meta":{"x":1},"fd":1}
{"type":"store","name":"b","fd":2}
{"type":"exited","name":"a","pid":7,"exited":true,"status":9}
{"type":"store","name":"a","pid":7,"meta":{"x":2},"fd":3}
no JSON
{"type":"update","name":"b","meta":[1]}
{"type":"update","name":"nobody","meta":[1]}
{"type":"store","name":"c","fd":4}
{"type":"delete","name":"c"}
`
	want := []note{
		{Message{Type: MsgStore, Name: "a", PID: 7, Meta: []byte(`{"x":2}`), Exited: true, Status: 9}, 3},
		{Message{Type: MsgStore, Name: "b", Meta: []byte(`[1]`)}, 2},
	}
	got := replay([]byte(text))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, replay(written(got))); diff != "" {
		t.Error(diff)
	}
	cut := text + `{"type":"delete","name":"a`
	if n := whole([]byte(cut)); n != len(text) {
		t.Errorf("%d bytes of whole lines, want %d", n, len(text))
	}
}
