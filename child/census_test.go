package child

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// Those that ask while a census is taken share the next one, and none gets one that
// had begun before.
func TestCensusIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var taken atomic.Int32
		goOn := make(chan struct{})
		c := newCounting(func([]asking) *census {
			taken.Add(1)
			<-goOn
			return &census{}
		})
		var all sync.WaitGroup
		ask := func(n int) (got []**census) {
			for range n {
				to := new(*census)
				got = append(got, to)
				all.Go(func() { *to = c.census(asking{}) })
			}
			synctest.Wait()
			return got
		}
		first := ask(1)
		later := ask(100)
		if taken.Load() != 1 {
			t.Fatalf("%d at the same time", taken.Load())
		}
		goOn <- struct{}{}
		synctest.Wait()
		last := ask(1)
		close(goOn)
		all.Wait()
		for _, got := range later {
			if *got != *later[0] || *got == *first[0] || *got == *last[0] {
				t.Fatal("who asked while the first was taken has not the second")
			}
		}
		if taken.Load() != 3 {
			t.Errorf("%d taken, want 3", taken.Load())
		}
	})
}

// Lists are spared where all processes are read sooner.
func TestSparesLists(t *testing.T) {
	for _, c := range []struct {
		asked []asking
		want  bool
	}{
		{[]asking{{threads: 1}}, false},
		{make([]asking, 1<<20), false},
		{slices.Repeat([]asking{{threads: 1}}, 1<<20), false},
		{[]asking{{threads: 1 << 22}}, true},
		{slices.Repeat([]asking{{threads: 8}}, 1<<20), true},
		{[]asking{{threads: 1}, {wide: true}}, true},
	} {
		if got := sparesLists(c.asked); got != c.want {
			t.Errorf("%d, the first %+v: %v", len(c.asked), c.asked[0], got)
		}
	}
}
