package cluster

import (
	_ "embed"
	"encoding/json"
	"strconv"
	"time"

	"github.com/tendproc/tend/ipc"
)

// Preload is a program that a Node worker loads before its own, by node's flag
// --require: with it [Primary.Drain] can let the worker go without any client
// noticing. It does nothing before that.
//
//go:embed preload.cjs
var Preload string

// StickyVar is a variable that has a worker with the [Preload] keep sessions of
// Engine.IO, which carries Socket.IO: each request that names a session (?sid=)
// is answered by the worker that opened it, also when the connection reached
// another one, and while that worker drains. A worker that drains ends when its
// sessions have ended; shortly before the time is up they are closed, so that
// their clients open others. Its value is a folder, for the caller alone, in which
// each worker makes a Unix socket named by its ID. Workers of one app share it.
//
// The sessions are those of engine.io from npm, which need not be told. Where it
// is bundled into the program they end as without stickiness.
const StickyVar = "TEND_STICKY"

// WornVar is a variable that has a worker with the [Preload] count the connections
// that it accepts by itself: WorkerWorn tells when they are as many as it says.
const WornVar = "TEND_WORN"

// What the preload and the primary say to each other; see preload.cjs.
const (
	actHello   = "hello"
	actDrained = "drained"
	actPong    = "pong"
	actWorn    = "worn"
)

// Ping asks the worker whether its event loop turns: WorkerPong tells that it does.
// It asks nothing of a worker without the [Preload], and returns at once.
func (p *Primary) Ping(id uint64) {
	p.post(func(d *dispatcher) {
		if w := d.workers[id]; w != nil && w.conn != nil && w.Drains {
			d.post(w, []byte(`{"cmd":"NODE_TEND","act":"ping"}`+"\n"), -1)
		}
	})
}

// Drain tells the worker to take no new connection, to finish those it has, each
// with its next answer, and then to disconnect. timeout is how long the caller
// will wait: shortly before that, WebSockets are told to close. A worker without
// the [Preload] is told to disconnect at once: [Primary.Disconnect].
func (p *Primary) Drain(id uint64, timeout time.Duration) {
	p.post(func(d *dispatcher) { d.drain(id, timeout) })
}

func (d *dispatcher) drain(id uint64, timeout time.Duration) {
	w := d.workers[id]
	if w == nil || w.conn == nil {
		return
	}
	if !w.Drains {
		d.disconnect(id)
		return
	}
	d.setAway(w)
	line := append([]byte(`{"cmd":"NODE_TEND","act":"drain","timeout":`), strconv.FormatInt(timeout.Milliseconds(), 10)...)
	d.post(w, append(line, '}', '\n'), -1)
}

// preload takes a word of the worker's preload.
func (d *dispatcher) preload(w *worker, f *ipc.Frame) {
	var m struct{ Cmd, Act string }
	if json.Unmarshal(f.Data, &m) != nil || m.Cmd != "NODE_TEND" {
		return
	}
	switch m.Act {
	case actHello:
		w.Drains = true
		d.post(w, []byte(`{"cmd":"NODE_TEND","act":"brief"}`+"\n"), -1)
		d.event(Event{Worker: w.ID, Type: WorkerDrains})
	case actDrained:
		d.disconnect(w.ID)
	case actWorn:
		d.event(Event{Worker: w.ID, Type: WorkerWorn})
	case actPong:
		d.event(Event{Worker: w.ID, Type: WorkerPong})
	}
}
