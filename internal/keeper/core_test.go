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
