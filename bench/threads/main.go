// Threads measures package thread beside what it replaces: a plain Go channel,
// which copies nothing; JSON as a way to copy; Node's worker_threads; a process.
// Variants run in turn, round after round; a ratio is taken within its round.
//
//	go run ./bench/threads [-rounds 5]
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tendproc/tend/bench/rig"
	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/isolate"
	"github.com/tendproc/tend/thread"
)

var (
	rounds = flag.Int("rounds", 5, "how often to measure each variant")
	length = flag.Duration("time", 200*time.Millisecond, "how long each time")
)

func main() {
	testing.Init()
	rig.Main(bench)
}

// variant is one way to do something; the first of its group is the measure.
type variant struct {
	name string
	run  func(b *testing.B)
}

// order is a message of the usual kind.
type order struct {
	ID    int
	Name  string
	At    time.Time
	Items []item
	Tags  map[string]string
}

type item struct {
	SKU   string
	Count int
	Price float64
}

func anOrder() order {
	return order{
		ID: 1, Name: "a name", At: time.Unix(1e9, 0), Items: make([]item, 10),
		Tags: map[string]string{"a": "b", "c": "d"},
	}
}

func bench(ctx context.Context) error {
	if err := flag.Set("test.benchtime", length.String()); err != nil {
		return err
	}
	module, err := echoModule(ctx)
	if err != nil {
		return err
	}
	defer module.Close(ctx)
	node, err := nodeTimes(ctx)
	if err != nil {
		fmt.Println("without Node:", err)
	}
	show("round trip", node["trip"], []variant{
		{"Go channel, int", channelTrip},
		{"port, int", func(b *testing.B) { portTrip(b, ctx, 7) }},
		{"port, struct with 10 items", func(b *testing.B) { portTrip(b, ctx, anOrder()) }},
		{"isolate, int", func(b *testing.B) { isolateTrip(b, ctx, module) }},
	})
	show("copy of a struct with 10 items", node["clone"], []variant{
		{"thread.Clone", func(b *testing.B) { each(b, clone) }},
		{"encoding/json and back", func(b *testing.B) { each(b, byJSON) }},
	})
	show("from start to exit", node["start"], []variant{
		{"goroutine", goroutine},
		{"thread", func(b *testing.B) { threadLife(b, ctx, thread.Options{}) }},
		{"thread with its own OS thread", func(b *testing.B) { threadLife(b, ctx, thread.Options{LockOSThread: true}) }},
		{"isolate of a compiled module", func(b *testing.B) { isolateLife(b, ctx, module) }},
		{"process (true)", func(b *testing.B) { processLife(b, ctx) }},
	})
	return ctx.Err()
}

// show prints the medians of all variants, and Node's time if there is one.
func show(what string, node time.Duration, variants []variant) {
	times := make([]rig.Series, len(variants))
	for range *rounds {
		for i, v := range variants {
			times[i] = append(times[i], float64(testing.Benchmark(v.run).NsPerOp()))
		}
	}
	fmt.Printf("\n%s\n", what)
	for i, v := range variants {
		fmt.Printf("  %-32s %10v  ×%.1f\n", v.name, time.Duration(times[i].Median()), times[i].Over(times[0]).Median())
	}
	if node > 0 {
		fmt.Printf("  %-32s %10v  ×%.1f\n", "Node", node, float64(node)/times[0].Median())
	}
}

func channelTrip(b *testing.B) {
	to, from := make(chan any, 1), make(chan any, 1)
	go func() {
		defer close(from)
		for v := range to {
			from <- v
		}
	}()
	for b.Loop() {
		to <- 7
		<-from
	}
	close(to)
	<-from
}

func portTrip(b *testing.B, ctx context.Context, v any) {
	t, err := thread.New(func(ctx context.Context, self *thread.Self) error {
		for v, err := range self.Port().Messages(ctx) {
			if err == nil {
				err = self.Port().Post(v)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}, thread.Options{})
	if err != nil {
		b.Fatal(err)
	}
	trip(b, ctx, t, v)
}

func isolateTrip(b *testing.B, ctx context.Context, m *isolate.Module) {
	t, err := m.New(isolate.Options{Stderr: os.Stderr})
	if err != nil {
		b.Fatal(err)
	}
	trip(b, ctx, t, 7)
}

func trip(b *testing.B, ctx context.Context, t *thread.Thread, v any) {
	if err := t.Start(ctx); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		t.Post(v)
		if _, err := t.Receive(ctx); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := t.Terminate(ctx); err != nil {
		b.Fatal(err)
	}
}

func each(b *testing.B, work func() error) {
	for b.Loop() {
		if err := work(); err != nil {
			b.Fatal(err)
		}
	}
}

func clone() error {
	_, err := thread.Clone(anOrder())
	return err
}

func byJSON() error {
	text, err := json.Marshal(anOrder())
	if err != nil {
		return err
	}
	var o order
	return json.Unmarshal(text, &o)
}

func goroutine(b *testing.B) {
	for b.Loop() {
		done := make(chan struct{})
		go close(done)
		<-done
	}
}

func threadLife(b *testing.B, ctx context.Context, o thread.Options) {
	life(b, ctx, func() (*thread.Thread, error) {
		return thread.New(func(context.Context, *thread.Self) error { return nil }, o)
	})
}

func isolateLife(b *testing.B, ctx context.Context, m *isolate.Module) {
	life(b, ctx, func() (*thread.Thread, error) {
		t, err := m.New(isolate.Options{})
		if err == nil {
			t.CloseWrite() // it ends when nothing more comes
		}
		return t, err
	})
}

func life(b *testing.B, ctx context.Context, make func() (*thread.Thread, error)) {
	for b.Loop() {
		t, err := make()
		if err == nil {
			err = t.Start(ctx)
		}
		if err == nil {
			_, err = t.Wait(ctx)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

func processLife(b *testing.B, ctx context.Context) {
	for b.Loop() {
		p, err := child.Start(child.Command{Path: "true"})
		if err == nil {
			_, err = p.Wait(ctx)
		}
		if err != nil {
			b.Fatal(err)
		}
		p.Close()
	}
}

// echoModule compiles the guest of the tour, which answers numbers.
func echoModule(ctx context.Context) (*isolate.Module, error) {
	dir, err := os.MkdirTemp("", "threads")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "square.wasm")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "./examples/packages/isolate/square")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	wasm, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	m, err := isolate.Compile(ctx, wasm, isolate.Config{})
	fmt.Printf("compiling %.1f MB of WebAssembly: %v\n", float64(len(wasm))/1e6, time.Since(began).Round(time.Millisecond))
	return m, err
}

// nodeTimes asks Node for its own.
func nodeTimes(ctx context.Context) (map[string]time.Duration, error) {
	out, err := exec.CommandContext(ctx, "node", "bench/threads/worker.js").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	var times map[string]time.Duration
	return times, json.Unmarshal(out, &times)
}
