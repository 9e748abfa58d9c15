package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"syscall"

	"github.com/tendproc/tend/internal/wire"
	"github.com/tendproc/tend/ipc"
)

// port is the worker's end of the channel, as far as the client needs it.
type port interface {
	// send sends one message, JSON text without newline, in order.
	send(message []byte) error
	// close closes the channel once what was sent is on its way. It does not wait.
	close()
}

// client is this process as a worker. Its methods may be called from any
// goroutine; hear is called for each cluster message, in order, end once after
// the last.
type client struct {
	port port
	gone chan struct{} // closed by leave: told to go, or the primary is gone
	idle chan struct{} // closed when leaving, and the last connection is closed

	mu      sync.Mutex // guards the following
	seq     int64
	asked   map[int64]func(answer) // what to do with the answer to each question
	served  map[string]*served     // by key
	used    map[query]*indexes
	conns   int  // handed to the program and not closed
	leaving bool // gone is closed
	told    bool // to go, by the primary: the channel is closed when nothing is left to do
	ended   bool // nothing can be sent any more
}

// query is what makes two listens of a worker the same to the primary.
type query struct {
	kind    wire.AddressType
	address string
	hasHost bool
	port    int
}

// indexes numbers the servers of one query.
type indexes struct{ open, next int }

// answer is what the primary said to a question.
type answer struct {
	key   string // JSON text
	errno int
	local struct {
		Address string
		Port    int
	} // zero when none came
	handle *ipc.Handle // the socket, when it was lent
	err    error
}

func newClient(p port) *client {
	return &client{
		port:   p,
		gone:   make(chan struct{}),
		idle:   make(chan struct{}),
		asked:  make(map[int64]func(answer)),
		served: make(map[string]*served),
		used:   make(map[query]*indexes),
	}
}

var errPrimaryGone = errors.New("cluster: the primary is gone")

// say sends a message made with the next number.
func (c *client) say(make func(seq int64) ([]byte, error)) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err = c.sayLocked(make)
	return err
}

// sayLocked keeps the order of numbers: sending only appends to the channel's
// queue where the channel is full.
func (c *client) sayLocked(make func(seq int64) ([]byte, error)) (seq int64, err error) {
	if c.ended {
		return 0, errPrimaryGone
	}
	seq = c.seq
	line, err := make(seq)
	if err != nil {
		return 0, err
	}
	c.seq++
	return seq, c.port.send(bytes.TrimSuffix(line, []byte("\n")))
}

func act(a wire.Act) func(int64) ([]byte, error) {
	return func(seq int64) ([]byte, error) { return wire.AppendAct(nil, a, seq, false), nil }
}

// ask sends a question. The answer, or the end of the channel, goes to done,
// which is called once from hear's goroutine.
func (c *client) ask(done func(answer), make func(int64) ([]byte, error)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	seq, err := c.sayLocked(make)
	if err == nil {
		c.asked[seq] = done
	}
	return err
}

// result is what became of a listen.
type result struct {
	served *served
	err    error
}

// listen asks for the socket of q and makes of the answer what serves it.
func (c *client) listen(q wire.Query, make func(answer) (*served, error)) (*served, error) {
	id := query{q.AddressType, q.Address, q.HasAddress, q.Port}
	q.Index = c.number(id)
	got := newResult()
	// The answer is dealt with where it is read: the first connection may be
	// the very next message.
	err := c.ask(func(a answer) {
		s, err := c.serve(a, id, make)
		got <- result{s, err}
	}, func(seq int64) ([]byte, error) { return wire.AppendQuery(nil, wire.ActQueryServer, &q, seq) })
	var r result
	if err == nil {
		r = <-got // end answers all questions
		err = r.err
	}
	if err != nil {
		c.unnumber(id)
		return nil, err
	}
	q.Port = r.served.port
	err = c.say(func(seq int64) ([]byte, error) { return wire.AppendQuery(nil, wire.ActListening, &q, seq) })
	if err != nil {
		r.served.Close()
		return nil, err
	}
	return r.served, nil
}

func newResult() chan result { return make(chan result, 1) }

// serve registers what an answer gave.
func (c *client) serve(a answer, id query, make func(answer) (*served, error)) (*served, error) {
	if a.err != nil {
		return nil, a.err
	}
	if a.errno != 0 {
		closeIfAny(a.handle)
		return nil, os.NewSyscallError("bind", syscall.Errno(max(a.errno, -a.errno)))
	}
	s, err := make(a)
	if err != nil {
		closeIfAny(a.handle)
		c.closeKey(a.key)
		return nil, err
	}
	s.client, s.key, s.id = c, a.key, id
	c.mu.Lock()
	defer c.mu.Unlock()
	c.served[a.key] = s
	return s, nil
}

func (c *client) number(id query) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.used[id]
	if n == nil {
		n = &indexes{}
		c.used[id] = n
	}
	n.open++
	n.next++
	return n.next - 1
}

func (c *client) unnumber(id query) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.used[id]; n != nil {
		if n.open--; n.open == 0 {
			delete(c.used, id)
		}
	}
}

// closeKey tells the primary that the key is not served.
func (c *client) closeKey(key string) {
	// On a channel that ended nobody needs to know.
	_ = c.say(func(seq int64) ([]byte, error) { return wire.AppendClose(nil, []byte(key), seq) })
}

// hear handles one cluster message of the primary. h, nil for none, is the
// client's.
func (c *client) hear(data []byte, h *ipc.Handle) {
	m, err := wire.ParseCluster(data)
	if err != nil {
		closeIfAny(h)
		return
	}
	switch m.Act {
	case wire.ActReply:
		if m.HasAck {
			c.answered(&m, h)
			return
		}
	case wire.ActNewConn:
		if h != nil {
			c.newConn(string(m.Key), m.Seq, h)
			return
		}
	case wire.ActDisconnect:
		c.leave(true)
	case wire.ActOnline, wire.ActQueryServer, wire.ActListening, wire.ActClose, wire.ActExitedAfterDisconnect:
	}
	closeIfAny(h)
}

func closeIfAny(h *ipc.Handle) {
	if h != nil {
		h.Close()
	}
}

func (c *client) answered(m *wire.ClusterMessage, h *ipc.Handle) {
	a := answer{key: string(m.Key), errno: m.Errno, handle: h}
	if m.Sockname != nil {
		// A primary that leaves it out or writes it otherwise gives no address.
		_ = json.Unmarshal(m.Sockname, &a.local)
	}
	c.mu.Lock()
	done := c.asked[m.Ack]
	delete(c.asked, m.Ack)
	c.mu.Unlock()
	if done == nil {
		closeIfAny(h)
		return
	}
	done(a)
}

// newConn gives the connection to its listener, which answers when the program
// takes it.
func (c *client) newConn(key string, seq int64, h *ipc.Handle) {
	c.mu.Lock()
	s := c.served[key]
	c.mu.Unlock()
	if s == nil || !s.offer(offered{seq: seq, handle: h}) {
		h.Close()
		c.reply(seq, false)
	}
}

// reply answers the newconn numbered ack.
func (c *client) reply(ack int64, accepted bool) {
	_ = c.say(func(seq int64) ([]byte, error) { return wire.AppendAccepted(nil, ack, accepted, seq), nil })
}

// opened and closed count the program's connections.
func (c *client) opened() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns++
}

func (c *client) closed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns--
	c.settleLocked()
}

// settleLocked notes when the worker has nothing left to do.
func (c *client) settleLocked() {
	if !c.leaving || c.conns > 0 {
		return
	}
	select {
	case <-c.idle:
		return
	default:
	}
	close(c.idle)
	if c.told {
		c.ended = true
		c.port.close()
	}
}

// leave withdraws all listeners and says so to the program. It returns at once.
func (c *client) leave(told bool) {
	c.mu.Lock()
	if c.leaving {
		c.mu.Unlock()
		return
	}
	c.leaving, c.told = true, told
	list := slices.Collect(maps.Values(c.served))
	c.mu.Unlock()
	close(c.gone)
	for _, s := range list {
		s.withdraw()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settleLocked()
}

// end is called when the channel ended.
func (c *client) end() {
	c.mu.Lock()
	c.ended = true
	asked := c.asked
	c.asked = nil
	c.mu.Unlock()
	for _, done := range asked {
		done(answer{err: errPrimaryGone})
	}
	c.leave(false)
}

// disconnect leaves by the worker's own wish.
func (c *client) disconnect(ctx context.Context) error {
	c.leave(false)
	select {
	case <-c.idle:
	case <-ctx.Done():
		return fmt.Errorf("cluster: disconnect: connections are open: %w", context.Cause(ctx))
	}
	acked := newReply()
	err := c.ask(func(answer) { close(acked) }, act(wire.ActExitedAfterDisconnect))
	if err != nil {
		return nil // the primary is gone already
	}
	select {
	case <-acked:
	case <-ctx.Done():
		return fmt.Errorf("cluster: disconnect: the primary does not answer: %w", context.Cause(ctx))
	}
	c.port.close()
	return nil
}

func newReply() chan struct{} { return make(chan struct{}) }
