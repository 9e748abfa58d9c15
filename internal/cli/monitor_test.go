package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tendproc/tend/internal/event"
)

func fakeMonitor() *monitor {
	snap := fakeSnapshot()
	snap.Instances[0].Said = &event.Said{Monitor: map[string]json.RawMessage{
		"HTTP": json.RawMessage(`{"value":12,"unit":"req/min"}`), "Heap\u001b Size": json.RawMessage(`{"value":"5.1","unit":"MiB"}`),
	}}
	m := &monitor{command: "tend", width: 100, height: 30}
	m.take(snap)
	for i := range 40 {
		m.hear(event.LogLine{ID: 0, App: "web", Stream: "out", Text: fmt.Sprintf("line %d, 世界 %s", i, strings.Repeat("long ", i))})
	}
	m.hear(event.LogLine{ID: 0, App: "web", Stream: "err", Text: "evil \x1b[2J"})
	m.hear(event.LogLine{ID: 2, App: "mail", Stream: "out", Text: "of another"})
	return m
}

// The picture, at several sizes and after some keys; every line of it is as wide as the screen.
func TestMonitorViews(t *testing.T) {
	plain := func(_ style, text string) string { return text }
	marked := func(s style, text string) string {
		if s == reverse || s == red {
			return "<" + text + ">"
		}
		return text
	}
	var b strings.Builder
	show := func(what string, m *monitor, keys ...string) {
		for _, key := range keys {
			if wish, quit := m.key(key); quit || wish != nil {
				fmt.Fprintf(&b, "wish %+v, quit %v\n", wish, quit)
			}
		}
		lines := m.view(plain)
		if len(lines) != m.height {
			t.Errorf("%s: %d lines", what, len(lines))
		}
		for i, line := range lines {
			if width(line) != m.width {
				t.Errorf("%s: line %d is %d wide: %q", what, i, width(line), line)
			}
		}
		fmt.Fprintf(&b, "== %s\n%s\n", what, strings.Join(m.view(marked), "\n"))
	}
	m := fakeMonitor()
	show("100x30", m)
	show("the next, and a question", m, "down", "j", "r")
	show("no", m, "n")
	show("yes", m, "r", "y")
	m.done(errors.New("restart postbote: no\x1b such file"))
	show("it failed", m)
	m.choose(0)
	show("back in the logs", m, "pgup")
	m.hear(event.LogLine{ID: 0, App: "web", Stream: "out", Text: "newer"})
	show("what is read stays", m)
	m.width, m.height = 60, 16
	show("60x16", m, "pgdn", "pgdn", "pgdn", "end")
	m.choose(0)
	for _, w := range []int{80, 160} {
		m.width, m.height = w, 20
		show(fmt.Sprintf("%dx20", w), m)
	}
	m.take(event.Snapshot{})
	m.width, m.height = 80, 24
	show("nothing", m, "up", "s", "pgup")
	if _, quit := m.key("q"); !quit {
		t.Error("q does not end it")
	}
	if m.width, m.height = 10, 3; len(m.view(plain)) != 1 {
		t.Error("no picture fits, and there is one")
	}
	const golden = "testdata/monitor.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestMonitorKeepsSomeLines(t *testing.T) {
	m := fakeMonitor()
	for i := range 2 * monitorLines {
		m.hear(event.LogLine{ID: 1, Text: fmt.Sprint(i)})
	}
	if list := m.lines[1]; len(list) != monitorLines || list[len(list)-1].Text != fmt.Sprint(2*monitorLines-1) {
		t.Errorf("%d lines", len(list))
	}
	snap := fakeSnapshot()
	snap.Instances = snap.Instances[2:]
	if m.take(snap); len(m.lines) != 1 || m.chosen != 2 {
		t.Errorf("of %d gone ones lines are kept; %d is chosen", len(m.lines), m.chosen)
	}
}

// Keys come whole, however what a terminal sends is cut.
func TestMonitorKeys(t *testing.T) {
	const typed = "jk\x1b[A\x1bOB\x1b[5~\x1b[1;5C\x03\rq"
	want := []string{"j", "k", "up", "down", "pgup", "ctrl-c", "enter", "q"}
	for cut := range typed {
		first, rest := monitorKeys(typed[:cut])
		second, left := monitorKeys(rest + typed[cut:])
		got := append(first, second...)
		if cut > 0 && typed[cut-1] == 0x1b { // alone, it is the key
			continue
		}
		if !slices.Equal(got, want) || left != "" {
			t.Errorf("cut at %d: %q and %q", cut, got, left)
		}
	}
	if got, _ := monitorKeys("\x1b"); !slices.Equal(got, []string{"esc"}) {
		t.Errorf("escape alone: %q", got)
	}
}

// The screen is written no more than has changed.
func TestScreenWritesChanges(t *testing.T) {
	var b strings.Builder
	s := &screen{out: &b}
	for _, step := range []struct{ lines, want string }{
		{"a b c", "\x1b[2J\x1b[1;1Ha\x1b[2;1Hb\x1b[3;1Hc"},
		{"a b c", ""},
		{"a x c", "\x1b[2;1Hx"},
		{"a x", "\x1b[2J\x1b[1;1Ha\x1b[2;1Hx"},
	} {
		b.Reset()
		if err := s.draw(strings.Fields(step.lines)); err != nil || b.String() != step.want {
			t.Errorf("%s: %q, %v", step.lines, b.String(), err)
		}
	}
}
