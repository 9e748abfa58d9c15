package keeper

import (
	"testing"
	"time"
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
