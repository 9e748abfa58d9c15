package thread_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tendproc/tend/thread"
)

// A thread gets data, answers, and ends with an exit code.
func Example() {
	type job struct{ From, To int }
	t, err := thread.New(func(ctx context.Context, self *thread.Self) error {
		j := self.WorkerData().(job)
		sum := 0
		for i := j.From; i < j.To; i++ {
			sum += i
		}
		return self.Port().Post(sum)
	}, thread.Options{WorkerData: job{0, 1000}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if err := t.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	for ev := range t.Events(ctx) {
		switch ev := ev.(type) {
		case thread.Message:
			fmt.Println("sum", ev.Value)
		case thread.Failed:
			fmt.Println("failed", ev.Err)
		case thread.Exited:
			fmt.Println(ev.Exit)
		case thread.Online, thread.BadMessage:
		}
	}
	// Output:
	// sum 499500
	// exit 0
}

// A conversation: the thread answers until nothing more comes.
func ExampleThread_CloseWrite() {
	ctx := context.Background()
	t, err := thread.New(func(ctx context.Context, self *thread.Self) error {
		for m, err := range self.Port().Messages(ctx) {
			if err != nil {
				return err
			}
			self.Port().Post(strings.ToUpper(m.(string)))
		}
		return nil
	}, thread.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	t.Post("one")
	t.Post("two")
	t.CloseWrite()
	t.Start(ctx)
	for {
		word, err := thread.Receive[string](ctx, t)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(word)
	}
	// Output:
	// ONE
	// TWO
	// EOF
}

// A panic is the thread's own.
func ExamplePanicError() {
	ctx := context.Background()
	t, err := thread.New(func(context.Context, *thread.Self) error {
		panic("out of luck")
	}, thread.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	t.Start(ctx)
	exit, err := t.Wait(ctx)
	p, _ := errors.AsType[*thread.PanicError](exit.Err)
	fmt.Println(exit.Code, p.Value, err)
	// Output: 1 out of luck <nil>
}

// A thread that looks at its context can be told to end.
func ExampleThread_Terminate() {
	t, err := thread.New(func(ctx context.Context, self *thread.Self) error {
		for i := 0; ctx.Err() == nil; i++ {
			// one step of a long computation
		}
		return ctx.Err()
	}, thread.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	t.Start(context.Background())
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	exit, err := t.Terminate(ctx)
	fmt.Println(exit, err)
	// Output: exit 1: thread was terminated <nil>
}

// Two threads talk past their parent: one end of a channel goes to each.
func ExampleNewChannel() {
	ctx := context.Background()
	a, b := thread.NewChannel()
	ping, err := thread.New(func(ctx context.Context, self *thread.Self) error {
		return self.WorkerData().(*thread.Port).Post("ping")
	}, thread.Options{WorkerData: a, Transfer: []thread.Transferable{a}})
	if err != nil {
		fmt.Println(err)
		return
	}
	pong, err := thread.New(func(ctx context.Context, self *thread.Self) error {
		m, err := self.WorkerData().(*thread.Port).Receive(ctx)
		fmt.Println("heard", m)
		return err
	}, thread.Options{WorkerData: b, Transfer: []thread.Transferable{b}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ping.Start(ctx)
	pong.Start(ctx)
	pong.Wait(ctx)
	fmt.Println("a is the thread's now:", a.Detached())
	// Output:
	// heard ping
	// a is the thread's now: true
}

// Bytes move without being copied.
func ExampleBuffer() {
	a, b := thread.NewChannel()
	defer a.Close()
	buf := thread.NewBuffer([]byte("many bytes"))
	if err := a.Post(buf, buf); err != nil {
		fmt.Println(err)
		return
	}
	_, err := buf.Bytes()
	fmt.Println(err)
	got, _ := thread.Receive[*thread.Buffer](context.Background(), b)
	data, _ := got.Bytes()
	fmt.Printf("%s\n", data)
	// Output:
	// buffer was transferred
	// many bytes
}

// Memory that is shared on purpose, with atomics.
func ExampleShare() {
	ctx := context.Background()
	var hits atomic.Int64
	var threads []*thread.Thread
	for range 4 {
		t, err := thread.New(func(_ context.Context, self *thread.Self) error {
			hits := self.WorkerData().(*thread.Shared[atomic.Int64]).Get()
			for range 1000 {
				hits.Add(1)
			}
			return nil
		}, thread.Options{WorkerData: thread.Share(&hits)})
		if err != nil {
			fmt.Println(err)
			return
		}
		t.Start(ctx)
		threads = append(threads, t)
	}
	for _, t := range threads {
		t.Wait(ctx)
	}
	fmt.Println(hits.Load())
	// Output: 4000
}

// Everyone else of the same name hears it.
func ExampleBroadcast() {
	a, b := thread.NewBroadcast("news"), thread.NewBroadcast("news")
	defer a.Close()
	defer b.Close()
	a.Post(map[string]any{"reload": true})
	m, err := b.Receive(context.Background())
	fmt.Println(m, err)
	// Output: map[reload:true] <nil>
}

// A copy keeps cycles, and says what it cannot copy.
func ExampleClone() {
	type node struct {
		Name string
		Next *node
		Done chan bool
	}
	a := &node{Name: "a"}
	a.Next = &node{Name: "b", Next: a}
	c, err := thread.Clone(a)
	fmt.Println(c != a, c.Next.Next == c, err)
	a.Next.Done = make(chan bool)
	_, err = thread.Clone(a)
	fmt.Println(err)
	// Output:
	// true true <nil>
	// clone: value.Next.Done: chan bool: functions, channels and unsafe pointers cannot be copied
}
