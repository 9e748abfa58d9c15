package daemon

import (
	"runtime/debug"
	"sync"
	"time"
)

// How much garbage may come on top of what is used, in percent of that. Idle memory is
// what people look at; a command is over before collecting pays, and each collection
// stops the spawns that are under way. Much more leaves holes in what is given back: after
// a restart of 100 apps two megabytes with 200, a third of one with 100.
const (
	idleGarbage = 50
	busyGarbage = 75
)

// settle is how long after the last request the memory it took is given back.
const settle = 3 * time.Second

// thrift has the process collect garbage often while nothing is asked of it, and
// seldom while it works.
type thrift struct {
	mu   sync.Mutex // guards what follows
	busy bool
	idle *time.Timer
}

func newThrift() *thrift {
	t := &thrift{}
	debug.SetGCPercent(idleGarbage)
	t.idle = time.AfterFunc(settle, t.settle)
	return t
}

// used says that a request begins or ends.
func (t *thrift) used() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.busy {
		t.busy = true
		debug.SetGCPercent(busyGarbage)
	}
	t.idle.Reset(settle)
}

func (t *thrift) settle() {
	t.mu.Lock()
	t.busy = false
	debug.SetGCPercent(idleGarbage)
	t.mu.Unlock()
	debug.FreeOSMemory() // a request does not wait for it
	debug.FreeOSMemory() // what pools keep is garbage the second time: see sync.Pool
}

func (t *thrift) stop() { t.idle.Stop() }
