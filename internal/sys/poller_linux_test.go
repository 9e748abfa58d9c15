package sys

import (
	"sync/atomic"
	"testing"
)

// Every Wake is told, also one that comes while Wait is taking the one before.
func TestPollerLosesNoWake(t *testing.T) {
	const notes = 300_000
	p, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var left atomic.Int64
	var seen int64
	go func() {
		for range notes {
			left.Add(1)
			p.Wake()
		}
	}()
	ready := make([]Ready, 4)
	for seen < notes { // a lost wake leaves it waiting for ever
		if _, err := p.Wait(ready); err != nil {
			t.Fatal(err)
		}
		seen += left.Swap(0)
	}
}
