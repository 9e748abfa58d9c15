package cluster

import (
	"bytes"

	"github.com/tendproc/tend/internal/wire"
	"github.com/tendproc/tend/ipc"
)

// worker is what the primary knows of one worker. The dispatcher's.
type worker struct {
	WorkerOptions
	conn    *ipc.Conn              // nil once the channel ended
	hears   func(*ipc.Frame) error // given to each read
	token   uint64
	seq     int64 // of the next message to it
	bun     bool  // it speaks Bun's dialect
	leaving bool  // it said that it goes
	taken   int   // connections that it was handed and took
	load    load
	sent    ledger
	uses    []*listener // those it was given and has not closed
}

func (w *worker) nextSeq() int64 {
	w.seq++
	return w.seq - 1
}

// using returns the listener that the worker knows by key, JSON text.
func (w *worker) using(key []byte) *listener {
	key = bytes.Trim(key, `"`)
	for _, l := range w.uses {
		if string(key) == l.key {
			return l
		}
	}
	return nil
}

// hear handles one message of the worker.
func (d *dispatcher) hear(w *worker, f *ipc.Frame) {
	if w.conn == nil {
		closeHandle(f)
		return
	}
	switch f.Kind {
	case ipc.HandleAck:
		if s := w.sent.acknowledged(); s != nil && s.fd < 0 {
			s.answered = true
		}
		w.sent.trim(&w.load)
	case ipc.HandleNack:
		d.refusedHandle(w)
	case ipc.Cluster:
		if f.Bun {
			w.bun = true
		}
		if ack, ok, is := wire.ParseAccepted(f.Data); is {
			d.answered(w, ack, ok)
			break
		}
		if m, err := wire.ParseCluster(f.Data); err == nil {
			d.command(w, &m)
		}
	case ipc.Ordinary:
		d.event(Event{Worker: w.ID, Type: WorkerMessage, Message: bytes.Clone(f.Data)})
	case ipc.OtherInternal:
		d.preload(w, f)
	}
	closeHandle(f) // nobody here asks for sockets
}

func closeHandle(f *ipc.Frame) {
	if f.Handle != nil {
		f.Handle.Close()
	}
}

// command handles a cluster message that is no answer to newconn in the usual
// spelling. Messages may come twice after a crash; each case bears that.
func (d *dispatcher) command(w *worker, m *wire.ClusterMessage) {
	switch m.Act {
	case wire.ActReply:
		if m.HasAck {
			d.answered(w, m.Ack, m.Accepted)
		}
	case wire.ActOnline:
		d.event(Event{Worker: w.ID, Type: WorkerOnline})
	case wire.ActQueryServer:
		d.query(w, m)
	case wire.ActListening:
		d.listens(w, &m.Query)
	case wire.ActClose:
		if l := w.using(m.Key); l != nil {
			d.closedBy(w, l)
		}
	case wire.ActExitedAfterDisconnect:
		d.setAway(w)
		if !w.leaving {
			w.leaving = true
			d.event(Event{Worker: w.ID, Type: WorkerLeaving})
		}
		if m.HasSeq && w.conn != nil {
			d.post(w, wire.AppendAck(nil, m.Seq, w.nextSeq(), w.bun), -1)
		}
	case wire.ActNewConn, wire.ActDisconnect: // a primary's words
	}
}

// listens takes the worker's word that it serves.
func (d *dispatcher) listens(w *worker, q *wire.Query) {
	address := asked(q)
	if l := servedBy(w, q); l != nil {
		address = l.address
		if u := l.use(w); !u.listening {
			u.listening = true
			d.note(l)
		}
	}
	d.event(Event{Worker: w.ID, Type: WorkerListening, Address: address})
}

// closedBy takes the worker off a listener that it closed. When it was the last
// to serve it and is not on its way out, the address is closed after a while.
func (d *dispatcher) closedBy(w *worker, l *listener) {
	d.leave(w, l)
	d.event(Event{Worker: w.ID, Type: WorkerClosedListener, Address: l.address})
	if len(l.users) == 0 && !w.load.away {
		d.linger = append(d.linger, lingering{l: l, by: w, at: d.now.Add(lingerTime)})
	}
}
