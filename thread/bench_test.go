package thread_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/tendproc/tend/thread"
)

// order is a message of the usual kind.
type order struct {
	ID    int
	Name  string
	At    time.Time
	Items []item
	Tags  map[string]string
	Next  *order
}

type item struct {
	SKU   string
	Count int
	Price float64
}

func anOrder() order {
	o := order{ID: 1, Name: "a name", At: time.Now(), Tags: map[string]string{"a": "b", "c": "d"}, Next: &order{ID: 2}}
	for range 10 {
		o.Items = append(o.Items, item{"sku", 1, 9.5})
	}
	return o
}

func BenchmarkClone(b *testing.B) {
	dynamic := map[string]any{}
	text, _ := json.Marshal(anOrder())
	if err := json.Unmarshal(text, &dynamic); err != nil {
		b.Fatal(err)
	}
	for _, bb := range []struct {
		name string
		v    any
	}{
		{"int", 7}, {"string", "text"}, {"flat struct", item{"sku", 1, 2}}, {"struct", anOrder()}, {"any map", dynamic}, {"64 KiB", make([]byte, 64<<10)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := thread.Clone(bb.v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("struct by JSON", func(b *testing.B) {
		b.ReportAllocs()
		v := anOrder()
		for b.Loop() {
			text, err := json.Marshal(v)
			var to order
			if err == nil {
				err = json.Unmarshal(text, &to)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRoundTrip(b *testing.B) {
	ctx := context.Background()
	for name, v := range map[string]any{"int": 7, "struct": anOrder()} {
		b.Run("port "+name, func(b *testing.B) {
			b.ReportAllocs()
			th := start(b, echo, thread.Options{})
			for b.Loop() {
				th.Post(v)
				if _, err := th.Receive(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("channel "+name, func(b *testing.B) {
			b.ReportAllocs()
			to, from := make(chan any, 1), make(chan any, 1)
			go func() {
				defer close(from)
				for v := range to {
					from <- v
				}
			}()
			for b.Loop() {
				to <- v
				<-from
			}
			close(to)
			<-from
		})
	}
}

func echo(ctx context.Context, self *thread.Self) error {
	for {
		v, err := self.Port().Receive(ctx)
		if err != nil {
			return err
		}
		if err := self.Port().Post(v); err != nil {
			return err
		}
	}
}

// A thread from New to its end.
func BenchmarkThread(b *testing.B) {
	for name, o := range map[string]thread.Options{"goroutine": {}, "OS thread": {LockOSThread: true}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			ctx := context.Background()
			for b.Loop() {
				t, err := thread.New(func(context.Context, *thread.Self) error { return nil }, o)
				if err != nil {
					b.Fatal(err)
				}
				t.Start(ctx)
				if _, err := t.Wait(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Messages in one direction, as fast as they go.
func BenchmarkStream(b *testing.B) {
	b.ReportAllocs()
	ctx := context.Background()
	x, y := thread.NewChannel()
	go func() {
		for range b.N {
			x.Send(ctx, 7)
		}
		x.CloseWrite()
	}()
	for range y.Messages(ctx) {
	}
	x.Close()
}
