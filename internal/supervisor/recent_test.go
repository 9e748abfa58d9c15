package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/runner"
)

func recentFile(t *testing.T) *os.File {
	t.Helper()
	f, err := NewRecent()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func openRecent(t *testing.T, f *os.File) *Recent {
	t.Helper()
	r, err := OpenRecent(f)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// keep puts a message, and returns the position after it.
func (r *Recent) keep(id int, text string) (end uint64) {
	r.put(runner.Key{ID: id}, []byte(text), func(at uint64) { end = at })
	return end
}

func (r *Recent) texts(after uint64) (list []string, all bool) {
	all = r.since(after, r.last(), func(m kept) { list = append(list, fmt.Sprint(m.id, " ", string(m.data))) })
	return list, all
}

// What is kept is there for who maps the memory next, in order, from any position
// that was told; the oldest goes first.
func TestRecentKeepsTheLast(t *testing.T) {
	f := recentFile(t)
	r := openRecent(t, f)
	rnd := rand.New(rand.NewPCG(1, 2))
	type told struct {
		text string
		end  uint64
	}
	all := []told{{"", 0}}
	for n := range 4000 {
		size := rnd.IntN(3000)
		if n%500 == 499 {
			size = rnd.IntN(recentMost - 8)
		}
		text := fmt.Sprint(n) + strings.Repeat("x", size)
		all = append(all, told{fmt.Sprint(n%7, " ", text), r.keep(n%7, text)})
		if n%97 != 0 {
			continue
		}
		if r = openRecent(t, f); r.last() != all[len(all)-1].end {
			t.Fatalf("the end is %d, not %d", r.last(), all[len(all)-1].end)
		}
		list, _ := r.texts(0)
		bytes := 0
		for i, got := range slices.Backward(list) {
			want := all[len(all)-len(list)+i]
			if got != want.text {
				t.Fatalf("after %d: %.20q, want %.20q", n, got, want.text)
			}
			bytes += int(recordLen(len(got) - 2))
		}
		if len(list) < len(all)-1 && bytes < recentRing-recentMost-3200 {
			t.Fatalf("after %d only %d bytes are kept", n, bytes)
		}
		from := len(all) - 1 - rnd.IntN(len(list))
		if got, whole := r.texts(all[from].end); !whole || len(got) != len(all)-1-from {
			t.Fatalf("after a position %d back: %d, %v", len(all)-1-from, len(got), whole)
		}
		if first := len(all) - len(list); first > 1 {
			if _, whole := r.texts(all[first-2].end); whole {
				t.Fatal("what is gone is not missed")
			}
		}
	}
}

// A writer that dies in a record leaves what was before, and the next goes on.
func TestRecentOutlivesItsWriter(t *testing.T) {
	f := recentFile(t)
	r := openRecent(t, f)
	r.keep(1, "a")
	end := r.keep(1, "b")
	r.copyIn(end, []byte("half of a record that was never finished"))
	r = openRecent(t, f)
	r.keep(2, "c")
	if got, all := r.texts(0); !all || fmt.Sprint(got) != "[1 a 1 b 2 c]" {
		t.Errorf("%q, %v", got, all)
	}
	r.oldest.Store(r.last() + 8)
	if _, err := OpenRecent(f); err == nil {
		t.Error("damaged memory is taken over")
	}
}

func TestRecentLeavesTooLongOnesOut(t *testing.T) {
	r := openRecent(t, recentFile(t))
	before := r.keep(1, "a")
	if end := r.keep(1, strings.Repeat("x", recentMost+1)); end != before {
		t.Errorf("%d after %d", end, before)
	}
	r.keep(1, strings.Repeat("y", recentMost))
	if got, all := r.texts(before); !all || len(got) != 1 || len(got[0]) != recentMost+2 {
		t.Errorf("%d, %v", len(got), all)
	}
}

// watchAfter collects messages, and the first event's type, until the bubble is idle.
func (b *bench) watchAfter(cursor string) (first event.Type, texts []string, last string) {
	ctx, cancel := context.WithCancel(b.ctx)
	done := make(chan error, 1)
	go func() {
		done <- b.sup.Watch(ctx, cursor, func(ev event.Event) error {
			if first == "" {
				first = ev.Type
			}
			if ev.Cursor != "" {
				last = ev.Cursor
			}
			if ev.Type == event.Message {
				texts = append(texts, fmt.Sprint(ev.Instance.App, " ", string(ev.Message)))
			}
			return nil
		})
	}()
	synctest.Wait()
	cancel()
	if err := <-done; err != context.Canceled {
		b.t.Error(err)
	}
	return first, texts, last
}

// Who watches again gets what processes said meanwhile, though the daemon that
// heard it is dead, and nothing that it had before.
func TestWatchAgain(t *testing.T) {
	f := recentFile(t)
	run(t, func(b *bench) {
		b.recent = f
		b.crash()
		b.start("web", 0)
		b.says(1, `1`)
		first, texts, cursor := b.watchAfter("")
		if first != event.Begin || len(texts) != 0 || cursor == "" {
			t.Errorf("%s, %q, cursor %q", first, texts, cursor)
		}
		b.says(1, `2`, `{"type":"axm:monitor","data":{}}`, `{"node_version":"v22"}`)
		b.crash()
		b.says(1, `3`)
		first, texts, next := b.watchAfter(cursor)
		if first != event.Begin || fmt.Sprint(texts) != "[web 2 web 3]" {
			t.Errorf("%s, %q", first, texts)
		}
		if first, texts, last := b.watchAfter(next); first != event.Begin || len(texts) != 0 || last != next {
			t.Errorf("%s, %q, cursor %q, want %q", first, texts, last, next)
		}
		long, _ := json.Marshal(strings.Repeat("x", recentMost/2))
		for range 10 {
			b.says(1, string(long))
		}
		if first, texts, _ := b.watchAfter(cursor); first != event.Gap || len(texts) < 6 {
			t.Errorf("%s, %d", first, len(texts))
		}
		if first, _, _ := b.watchAfter("zz-0"); first != event.Gap {
			t.Errorf("another memory's cursor: %s", first)
		}
		err := b.sup.Watch(b.ctx, "yesterday", func(event.Event) error { return nil })
		if f, ok := errors.AsType[*fault.Error](err); !ok || f.Code != fault.Invalid || f.Field != "after" {
			t.Errorf("%v", err)
		}
	})
}

func BenchmarkRecent(b *testing.B) {
	f, err := NewRecent()
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	r, err := OpenRecent(f)
	if err != nil {
		b.Fatal(err)
	}
	data := []byte(strings.Repeat("x", 100))
	b.ReportAllocs()
	for b.Loop() {
		r.put(runner.Key{ID: 1}, data, func(uint64) {})
	}
}
