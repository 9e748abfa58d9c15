package thread_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/thread"
)

// The same scenarios as testdata/worker.js plays in Node, line by line the same.
func TestLikeNode(t *testing.T) {
	got := strings.Join(scenarios(t), "\n") + "\n"
	for _, node := range proctest.Nodes(t) {
		t.Run(node.Name(), func(t *testing.T) {
			want, err := exec.CommandContext(soon(t), node.Path, "testdata/worker.js").CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, want)
			}
			if got != string(want) {
				t.Errorf("Go:\n%s\nNode:\n%s", got, want)
			}
		})
	}
}

func scenarios(t *testing.T) (lines []string) {
	say := func(parts ...any) { lines = append(lines, strings.TrimSuffix(fmt.Sprintln(parts...), "\n")) }

	play(t, say, "data", func(ctx context.Context, self *thread.Self) error {
		list := self.WorkerData().(map[string]any)["list"].([]any)
		return self.Port().Post([]any{thread.IsMainThread(ctx), self.ID() > 0, list[0]})
	}, nil)
	play(t, say, "throws", func(_ context.Context, self *thread.Self) error {
		self.Port().Post(1)
		self.Port().Post(2)
		return errors.New("boom")
	}, nil)
	play(t, say, "exits", func(_ context.Context, self *thread.Self) error {
		self.Port().Post(1)
		self.Exit(3)
		return nil
	}, nil)
	play(t, say, "loops", func(ctx context.Context, self *thread.Self) error {
		self.Port().Post("looping")
		for ctx.Err() == nil { // what Node does not need
		}
		return nil
	}, func(th *thread.Thread, m any) {
		if m != nil {
			th.Terminate(soon(t))
		}
	})
	play(t, say, "closes", func(ctx context.Context, self *thread.Self) error {
		for m, err := range self.Port().Messages(ctx) {
			if err != nil || m == "bye" {
				return err
			}
			self.Port().Post(m.(int) + 1)
		}
		return nil
	}, func(th *thread.Thread, m any) {
		switch m {
		case nil:
			th.Post(1)
		case 2:
			th.Post(2)
		default:
			th.Post("bye")
		}
	})
	givePort(t, say)
	ports(t, say)
	return lines
}

func play(t *testing.T, say func(...any), name string, entry thread.Entry, on func(th *thread.Thread, m any)) {
	th, err := thread.New(entry, thread.Options{WorkerData: map[string]any{"list": []any{7}}})
	if err != nil {
		t.Fatal(err)
	}
	if on == nil {
		on = func(*thread.Thread, any) {}
	}
	on(th, nil)
	th.Start(soon(t))
	for ev := range th.Events(soon(t)) {
		switch ev := ev.(type) {
		case thread.Online:
			say(name, "online")
		case thread.Message:
			text, _ := json.Marshal(ev.Value)
			say(name, "message", string(text))
			on(th, ev.Value)
		case thread.BadMessage:
			say(name, "messageerror", ev.Err)
		case thread.Failed:
			say(name, "error", ev.Err)
		case thread.Exited:
			say(name, "exit", ev.Exit.Code)
		}
	}
}

func givePort(t *testing.T, say func(...any)) {
	near, far := thread.NewChannel()
	near.Post("early")
	th := start(t, func(ctx context.Context, self *thread.Self) error {
		m, err := thread.Receive[map[string]any](ctx, self.Port())
		if err != nil {
			return err
		}
		port := m["port"].(*thread.Port)
		heard, err := port.Receive(ctx)
		if err != nil {
			return err
		}
		port.Post(fmt.Sprint("heard ", heard))
		port.Close()
		return nil
	}, thread.Options{})
	th.Post(map[string]any{"port": far}, far)
	for m := range near.Messages(soon(t)) {
		say("port", m)
	}
	say("port closed")
}

func ports(t *testing.T, say func(...any)) {
	attempt := func(what string, err error) {
		if _, ok := errors.AsType[*thread.CloneError](err); ok {
			say(what, "refused")
		} else {
			say(what, "done")
		}
	}
	next := func(p *thread.Port) any {
		v, _, err := p.TryReceive()
		if err != nil && !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		return v
	}
	size := func(b *thread.Buffer) int { data, _ := b.Bytes(); return len(data) }

	a, b := thread.NewChannel()
	bytes := []byte{1}
	v := map[string]any{"list": []any{1}, "twice": []any{bytes, bytes}}
	v["self"] = v
	a.Post(v)
	v["list"].([]any)[0] = "changed"
	got := next(b).(map[string]any)
	twice := got["twice"].([]any)
	twice[0].([]byte)[0] = 9
	same := func(a, b any) bool { return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer() }
	say("clone", got["list"].([]any)[0], same(got["self"], got), twice[1].([]byte)[0] == 9, same(got, v))
	_, ok, _ := b.TryReceive()
	say("empty", !ok)

	attempt("function", a.Post(map[string]any{"f": func() {}}))
	near, far := thread.NewChannel()
	attempt("port not listed", a.Post(map[string]any{"p": near}))
	attempt("port twice", a.Post(nil, near, near))
	attempt("own port", a.Post(nil, a))
	buf := thread.NewBuffer(make([]byte, 8))
	attempt("function beside a buffer", a.Post([]any{buf, func() {}}, buf))
	say("kept", size(buf))
	attempt("buffer", a.Post(buf, buf))
	say("moved", size(buf), size(next(b).(*thread.Buffer)))

	near.Post("before")
	a.Post(far, far)
	near.Post("on the way")
	there := next(b).(*thread.Port)
	say("travelled", next(there), next(there))
	near.Close()

	c, d := thread.NewChannel()
	c.Post("rest")
	c.Close()
	for m := range d.Messages(soon(t)) {
		say("closing", m)
	}
	say("closing closed")
	a.Close()

	x, y, z := thread.NewBroadcast("news"), thread.NewBroadcast("news"), thread.NewBroadcast("other")
	defer x.Close()
	defer y.Close()
	defer z.Close()
	x.Post("hello")
	m, err := y.Receive(soon(t))
	if err != nil {
		t.Error(err)
	}
	say("broadcast", m)
}
