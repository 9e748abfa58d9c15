package thread_test

import (
	"context"
	"errors"
	"io"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/tendproc/tend/thread"
)

func TestPortKeepsOrderAndRest(t *testing.T) {
	a, b := thread.NewChannel()
	for i := range 5000 {
		if err := a.Post(i); err != nil {
			t.Fatal(err)
		}
	}
	a.Close()
	for i := range 5000 {
		if v, err := b.Receive(soon(t)); err != nil || v != i {
			t.Fatalf("%v %v instead of %d", v, err, i)
		}
	}
	if _, err := b.Receive(soon(t)); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	for _, p := range []*thread.Port{a, b} {
		if err := p.Post(1); !errors.Is(err, thread.ErrClosed) {
			t.Error(err)
		}
		if _, _, err := p.TryReceive(); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		p.Close()
	}
}

func TestTryReceive(t *testing.T) {
	a, b := thread.NewChannel()
	defer a.Close()
	if v, ok, err := b.TryReceive(); ok || err != nil {
		t.Error(v, err)
	}
	a.Post(nil)
	if v, ok, err := b.TryReceive(); !ok || err != nil || v != nil {
		t.Error(v, ok, err)
	}
}

// Many send and many receive; each message arrives once.
func TestPortUnderLoad(t *testing.T) {
	a, b := thread.NewChannel()
	const each, n = 5000, 4
	var sum, count atomic.Int64
	var senders, receivers sync.WaitGroup
	ctx := soon(t)
	for range n {
		senders.Go(func() {
			for i := range each {
				if err := a.Send(ctx, i); err != nil {
					t.Error(err)
				}
			}
		})
		receivers.Go(func() {
			for v, err := range b.Messages(ctx) {
				if err != nil {
					t.Error(err)
					return
				}
				sum.Add(int64(v.(int)))
				count.Add(1)
			}
		})
	}
	senders.Wait()
	a.CloseWrite()
	receivers.Wait()
	if count.Load() != n*each || sum.Load() != n*each*(each-1)/2 {
		t.Error(count.Load(), sum.Load())
	}
	b.Close()
}

// Send waits for room, Post does not.
func TestSendWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := thread.NewChannel()
		for range thread.Backlog {
			if err := a.Send(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		var waiting sync.WaitGroup
		var sent atomic.Int64
		for range 3 {
			waiting.Go(func() {
				if err := a.Send(ctx, 2); err == nil {
					sent.Add(1)
				} else if !errors.Is(err, errTest) && !errors.Is(err, thread.ErrClosed) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		for want := range int64(3) {
			if got := sent.Load(); got != want {
				t.Errorf("%d sent, want %d", got, want)
			}
			if want == 2 {
				cancel(errTest)
				break
			}
			b.Receive(t.Context())
			synctest.Wait()
		}
		waiting.Wait()
		if sent.Load() != 2 {
			t.Error("sent in spite of its context")
		}
		if err := a.Post(3); err != nil {
			t.Error(err)
		}
		waiting.Go(func() {
			if err := a.Send(t.Context(), 4); !errors.Is(err, thread.ErrClosed) {
				t.Error(err)
			}
		})
		synctest.Wait()
		b.Close()
		waiting.Wait()
	})
}

func TestTransferOfABuffer(t *testing.T) {
	a, b := thread.NewChannel()
	defer a.Close()
	buf := thread.NewBuffer([]byte("bytes"))
	before, _ := buf.Bytes()
	if err := a.Post([]any{buf, buf}); err != nil { // not listed: a copy
		t.Fatal(err)
	}
	if err := a.Post(map[string]any{"buf": buf}, buf); err != nil {
		t.Fatal(err)
	}
	if data, err := buf.Bytes(); data != nil || !errors.Is(err, thread.ErrDetached) || !buf.Detached() {
		t.Errorf("%q %v", data, err)
	}
	first, _ := b.Receive(soon(t))
	copies := first.([]any)
	data, err := copies[0].(*thread.Buffer).Bytes()
	if err != nil || string(data) != "bytes" || &data[0] == &before[0] || copies[0] != copies[1] {
		t.Errorf("%q %v", data, err)
	}
	second, _ := b.Receive(soon(t))
	data, err = second.(map[string]any)["buf"].(*thread.Buffer).Bytes()
	if err != nil || &data[0] != &before[0] {
		t.Errorf("copied instead of moved: %q %v", data, err)
	}
	for _, err := range []error{a.Post(1, buf), a.Post(buf)} {
		if err == nil {
			t.Error("sent what was transferred before")
		}
	}
}

func TestTransferOfAPort(t *testing.T) {
	a, b := thread.NewChannel()
	defer a.Close()
	near, far := thread.NewChannel()
	defer near.Close()
	near.Post("before") // queued until someone receives, wherever the port is by then
	waits := make(chan error)
	idle, idleFar := thread.NewChannel()
	defer idle.Close()
	go func() {
		_, err := idleFar.Receive(context.Background())
		waits <- err
	}()
	type offer struct{ Port, Same, Idle *thread.Port }
	if err := a.Post(offer{far, far, idleFar}, far, idleFar); err != nil {
		t.Fatal(err)
	}
	if err := <-waits; !errors.Is(err, thread.ErrDetached) {
		t.Errorf("who waited on it: %v", err)
	}
	near.Post("on the way")
	if err := far.Post(1); !errors.Is(err, thread.ErrDetached) {
		t.Error(err)
	}
	if _, _, err := far.TryReceive(); !errors.Is(err, thread.ErrDetached) {
		t.Error(err)
	}
	far.Close() // nothing to it any more
	far.CloseWrite()
	got, err := thread.Receive[offer](soon(t), b)
	if err != nil || got.Port != got.Same || got.Port == far {
		t.Fatal(got, err)
	}
	for _, want := range []string{"before", "on the way"} {
		if v, err := got.Port.Receive(soon(t)); err != nil || v != want {
			t.Error(v, err)
		}
	}
	got.Port.Post("answer")
	if v, err := near.Receive(soon(t)); err != nil || v != "answer" {
		t.Error(v, err)
	}
	// And on: over the very channel's other direction.
	if err := b.Post(got.Port, got.Port); err != nil {
		t.Fatal(err)
	}
	back, err := thread.Receive[*thread.Port](soon(t), a)
	if err != nil {
		t.Fatal(err)
	}
	near.Post("still")
	if v, err := back.Receive(soon(t)); err != nil || v != "still" {
		t.Error(v, err)
	}
}

func TestTransferThatFailsChangesNothing(t *testing.T) {
	a, b := thread.NewChannel()
	defer a.Close()
	near, far := thread.NewChannel()
	defer near.Close()
	gone := thread.NewBuffer(nil)
	if err := near.Post(nil, gone); err != nil {
		t.Fatal(err)
	}
	var none *thread.Port
	for name, tt := range map[string]struct {
		v    any
		list []thread.Transferable
		is   error
	}{
		"a function beside it":      {[]any{far, func() {}}, []thread.Transferable{far}, nil},
		"a port that is not listed": {[]any{far, near}, []thread.Transferable{far}, nil},
		"twice":                     {nil, []thread.Transferable{far, far}, nil},
		"its own port":              {nil, []thread.Transferable{far, a}, nil},
		"its other port":            {nil, []thread.Transferable{far, b}, nil},
		"nil":                       {nil, []thread.Transferable{far, nil}, nil},
		"a nil port":                {nil, []thread.Transferable{far, none}, nil},
		"a detached one":            {nil, []thread.Transferable{far, gone}, thread.ErrDetached},
		"a detached one as value":   {gone, []thread.Transferable{far}, nil},
	} {
		err := a.Post(tt.v, tt.list...)
		if _, ok := errors.AsType[*thread.CloneError](err); (tt.is == nil && !ok) || !errors.Is(err, tt.is) && tt.is != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	closed, _ := thread.NewChannel()
	closed.Close()
	if err := closed.Post(far, far); !errors.Is(err, thread.ErrClosed) {
		t.Error(err)
	}
	if far.Detached() {
		t.Fatal("the port was taken")
	}
	near.Post("still here")
	for {
		v, err := far.Receive(soon(t))
		if err != nil {
			t.Fatal(err)
		}
		if v == "still here" {
			break
		}
	}
	if v, ok, err := b.TryReceive(); ok {
		t.Errorf("something was sent: %v %v", v, err)
	}
}

// Of several who transfer the same thing at once, one does.
func TestTransferRace(t *testing.T) {
	for range 200 {
		near, far := thread.NewChannel()
		buf := thread.NewBuffer([]byte("x"))
		var done sync.WaitGroup
		var won atomic.Int64
		got := make(chan *thread.Port, 3)
		for range 3 {
			a, b := thread.NewChannel()
			done.Go(func() {
				defer a.Close()
				if err := a.Post(far, far, buf); err == nil {
					won.Add(1)
					p, err := thread.Receive[*thread.Port](soon(t), b)
					if err != nil {
						t.Error(err)
						return
					}
					got <- p
				} else if !errors.Is(err, thread.ErrDetached) {
					if _, ok := errors.AsType[*thread.CloneError](err); !ok {
						t.Error(err)
					}
				}
			})
		}
		done.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d transferred it", won.Load())
		}
		near.Post(1)
		if v, err := (<-got).Receive(soon(t)); v != 1 || err != nil {
			t.Error(v, err)
		}
		near.Close()
	}
}

// The end of a thread closes the ports it was given, so that nobody waits for it
// for ever; a message that nobody receives closes those in it.
func TestPortsEndWithTheirThread(t *testing.T) {
	near1, far1 := thread.NewChannel()
	near2, far2 := thread.NewChannel()
	near3, far3 := thread.NewChannel()
	near4, far4 := thread.NewChannel()
	th, err := thread.New(func(ctx context.Context, self *thread.Self) error {
		p, err := thread.Receive[*thread.Port](ctx, self.Port())
		if err != nil {
			return err
		}
		_, err = thread.Receive[*thread.Port](ctx, p)
		return err
	}, thread.Options{WorkerData: far1, Transfer: []thread.Transferable{far1}})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{th.Post(far2, far2), near2.Post(far3, far3), th.Post(far4, far4), th.Start(soon(t))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, p := range []*thread.Port{near1, near2, near3, near4} {
		if v, err := p.Receive(soon(t)); !errors.Is(err, io.EOF) {
			t.Errorf("port %d: %v %v", i+1, v, err)
		}
	}
	if exit := wait(t, th); exit.Err != nil {
		t.Error(exit)
	}
}

func TestShared(t *testing.T) {
	type counters struct {
		sync.Mutex
		hits atomic.Int64
		log  []string
	}
	var c counters
	entry := func(_ context.Context, self *thread.Self) error {
		c := self.WorkerData().(*thread.Shared[counters]).Get()
		for range 1000 {
			c.hits.Add(1)
		}
		c.Lock()
		defer c.Unlock()
		c.log = append(c.log, self.Name())
		return nil
	}
	for range 4 {
		defer wait(t, start(t, entry, thread.Options{WorkerData: thread.Share(&c), Name: "w"}))
	}
	t.Cleanup(func() {
		if c.hits.Load() != 4000 || !reflect.DeepEqual(c.log, []string{"w", "w", "w", "w"}) {
			t.Error(c.hits.Load(), c.log)
		}
	})
}

func TestBroadcast(t *testing.T) {
	a, b, c := thread.NewBroadcast("news"), thread.NewBroadcast("news"), thread.NewBroadcast("news")
	other := thread.NewBroadcast("other")
	defer other.Close()
	v := []any{1}
	if err := a.Post(v); err != nil {
		t.Fatal(err)
	}
	v[0] = 2
	fromB, err1 := b.Receive(soon(t))
	fromC, err2 := c.Receive(soon(t))
	if err1 != nil || err2 != nil || fromB.([]any)[0] != 1 || fromC.([]any)[0] != 1 {
		t.Error(fromB, fromC, err1, err2)
	}
	if fromB.([]any)[0] = 3; fromC.([]any)[0] != 1 {
		t.Error("two receivers share memory")
	}
	for _, m := range []*thread.Broadcast{a, other} {
		ctx, cancel := context.WithCancel(soon(t))
		cancel()
		if v, err := m.Receive(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s heard %v %v", m.Name(), v, err)
		}
	}
	_, far := thread.NewChannel()
	for _, bad := range []any{func() {}, far} {
		if _, ok := errors.AsType[*thread.CloneError](other.Post(bad)); !ok {
			t.Errorf("%T was posted", bad)
		}
	}
	c.Close()
	c.Close()
	if _, err := c.Receive(soon(t)); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	if err := c.Post(1); !errors.Is(err, thread.ErrClosed) {
		t.Error(err)
	}
	if err := a.Post("after"); err != nil {
		t.Error(err)
	}
	if v, err := b.Receive(soon(t)); v != "after" || err != nil {
		t.Error(v, err)
	}
	a.Close()
	b.Close()
	again := thread.NewBroadcast("news")
	defer again.Close()
	if err := again.Post(1); err != nil {
		t.Error(err)
	}
}
