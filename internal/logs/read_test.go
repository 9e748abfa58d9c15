package logs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tendproc/tend/internal/event"
)

func TestReadBack(t *testing.T) {
	long := strings.Repeat("x", 3*scanBlock)
	for _, test := range []struct {
		text string
		n    int
		want []string
	}{
		{"", 5, nil},
		{"a\nb\nc\n", 2, []string{"b", "c"}},
		{"a\nb\nc", 2, []string{"b", "c"}},
		{"a\nb\nc\n", 3, []string{"a", "b", "c"}},
		{"a\nb\nc\n", 9, []string{"a", "b", "c"}},
		{"\n\n\n", 2, []string{"", ""}},
		{"a", 1, []string{"a"}},
		{"a\n" + long + "\nb\n", 2, []string{long, "b"}},
		{long + "\n" + long + "\n", 1, []string{long}},
		{strings.Repeat("y", maxLine+100) + "\nb\n", 2, []string{strings.Repeat("y", maxLine), "b"}},
		{"a\nb\n", 0, nil},
	} {
		s := newStore(t, nil)
		path := logPath(s, "x.log")
		os.WriteFile(path, []byte(test.text), 0o600)
		got := texts(collect(t, s, Request{Targets: []Target{{Path: path}}, Lines: test.n}, nil))
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("the last %d of %.20q: %s", test.n, test.text, diff)
		}
	}
}

func TestReadBackTakesEachFileOnce(t *testing.T) {
	s := newStore(t, nil)
	path := logPath(s, "x.log")
	os.WriteFile(path, []byte("a\nb\n"), 0o600)
	got := collect(t, s, Request{Lines: 5, Targets: []Target{
		{App: "one", ID: 1, Name: "out", Path: path},
		{App: "two", ID: 2, Name: "out", Path: path},
		{App: "none", ID: 3, Name: "out", Path: logPath(s, "missing.log")},
		{App: "null", ID: 3, Name: "err", Path: Null},
	}}, nil)
	want := []event.LogLine{{ID: 1, App: "one", Stream: "out", Text: "a"}, {ID: 1, App: "one", Stream: "out", Text: "b"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzReadBack(f *testing.F) {
	f.Add("a\nb\n", 2)
	f.Add("\n\nx", 1)
	f.Fuzz(func(t *testing.T, text string, n int) {
		if n < 1 || n > 1000 {
			return
		}
		path := t.TempDir() + "/x"
		os.WriteFile(path, []byte(text), 0o600)
		var got []string
		if err := readTail(path, -1, n, func(b []byte) error { got = append(got, string(b)); return nil }); err != nil {
			t.Fatal(err)
		}
		var want []string
		if text != "" {
			want = strings.Split(strings.TrimSuffix(text, "\n"), "\n")
			want = want[max(0, len(want)-n):]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// A writer counts; a reader that joins somewhere gets a run of numbers without
// gap or double, whatever it joined on.
func TestFollowHasNoGapAndNoDouble(t *testing.T) {
	s := newStore(t, nil)
	st := open(t, s, Target{App: "a", Name: "out"})
	p := pipe(t, st, nil)
	const last, ahead = 60_000, 3000 // fewer than may wait for a reader
	joined := make(chan struct{}, last/ahead)
	go func() {
		for i := range last {
			if i > 0 && i%ahead == 0 {
				<-joined // the next reader is there
			}
			fmt.Fprintf(p.ChildEnd, "%d\n", i)
		}
		p.ChildEnd.Close()
	}()
	for range last / ahead {
		got := texts(collect(t, s, Request{Targets: []Target{st.Target()}, Lines: 50, Follow: true}, func(got []event.LogLine) bool {
			if len(got) == 1 {
				joined <- struct{}{}
			}
			return len(got) >= 500 || got[len(got)-1].Text == strconv.Itoa(last-1)
		}))
		first, _ := strconv.Atoi(got[0])
		for i, text := range got {
			if text != strconv.Itoa(first+i) {
				t.Fatalf("line %d after %d is %q", i, first, text)
			}
		}
	}
	<-p.Done()
	if st.followers.Load() != nil || len(s.followers) != 0 {
		t.Error("a follower is left")
	}
}

func TestFollowSharedFileHasNoGapAndNoDouble(t *testing.T) {
	s := newStore(t, nil)
	path := logPath(s, "both.log")
	var targets []Target
	const each = maxWaiting / 2 // all of it may wait at once
	for id := range 2 {
		st := open(t, s, Target{App: "a", ID: id, Name: "out", Path: path})
		targets = append(targets, st.Target())
		p := pipe(t, st, nil)
		go func() {
			for i := range each {
				fmt.Fprintf(p.ChildEnd, "%d %d\n", id, i)
			}
			p.ChildEnd.Close()
		}()
		defer func() { <-p.Done() }()
	}
	next := map[string]int{}
	ends := 0
	for _, text := range texts(collect(t, s, Request{Targets: targets, Lines: each * 2, Follow: true}, func(got []event.LogLine) bool {
		if strings.HasSuffix(got[len(got)-1].Text, " "+strconv.Itoa(each-1)) {
			ends++
		}
		return ends == 2
	})) {
		id, number, _ := strings.Cut(text, " ")
		if number != strconv.Itoa(next[id]) {
			t.Fatalf("%q, want number %d", text, next[id])
		}
		next[id]++
	}
}

func TestFollowJoinsWhatIsOpenedLater(t *testing.T) {
	s := newStore(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := make(chan event.LogLine, 10)
	done := make(chan error)
	go func() {
		done <- s.Read(ctx, Request{Follow: true, Match: func(t Target) bool { return t.Namespace == "n" }}, func(l event.LogLine) error {
			got <- l
			return nil
		})
	}()
	eventually(t, "someone follows", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.followers) == 1
	})
	say(t, open(t, s, Target{App: "other", ID: 1, Name: "out", Namespace: "m"}), nil, "no\n")
	say(t, open(t, s, Target{App: "mine", ID: 2, Name: "err", Namespace: "n", Path: Null}), nil, "yes\n")
	if l := <-got; l.Text != "yes" || l.ID != 2 || l.App != "mine" || l.Stream != "err" || l.At.IsZero() {
		t.Errorf("got %+v", l)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

func TestASlowFollowerMissesLinesAndIsTold(t *testing.T) {
	s := newStore(t, nil)
	st := open(t, s, Target{App: "a", Name: "out"})
	entered, release := make(chan struct{}), make(chan struct{})
	ended := make(chan []event.LogLine)
	go func() {
		var got []event.LogLine
		stop := errors.New("enough")
		s.Read(t.Context(), Request{Targets: []Target{st.Target()}, Follow: true}, func(l event.LogLine) error {
			if len(got) == 0 {
				close(entered)
				<-release
			}
			got = append(got, l)
			if l.Text == "last" {
				return stop
			}
			return nil
		})
		ended <- got
	}()
	eventually(t, "someone follows", func() bool { return st.followers.Load() != nil })
	say(t, st, nil, "first\n")
	<-entered
	const n = 3 * maxWaiting
	say(t, st, nil, lines(n)) // is not held up by a reader that sits still
	close(release)
	eventually(t, "the reader caught up", func() bool {
		fo := (*st.followers.Load())[0]
		fo.mu.Lock()
		defer fo.mu.Unlock()
		return len(fo.lines) == 0 && fo.missed == 0
	})
	say(t, st, nil, "last\n")
	got := <-ended
	var note event.LogLine
	notes := 0
	for _, l := range got {
		if l.ID == -1 {
			note = l
			notes++
		}
	}
	missed := n + 2 - (len(got) - notes)
	if notes != 1 || !strings.HasPrefix(note.Text, strconv.Itoa(missed)+" lines skipped") {
		t.Errorf("%d notes, the last %q; %d lines are missing", notes, note.Text, missed)
	}
}

func TestOnlyTheEndOfAPassedOnLineIsNoLine(t *testing.T) {
	s := newStore(t, nil)
	st := open(t, s, Target{App: "a", Name: "out"})
	p := pipe(t, st, nil)
	go func() {
		p.ChildEnd.WriteString("name? ")
		for content(t, logPath(s, "a-out.log")) == "" {
		}
		p.ChildEnd.WriteString("\nbye\n")
		p.ChildEnd.Close()
	}()
	got := collect(t, s, Request{Targets: []Target{st.Target()}, Follow: true}, func(got []event.LogLine) bool { return got[len(got)-1].Text == "bye" })
	if diff := cmp.Diff([]string{"name? ", "bye"}, texts(got)); diff != "" {
		t.Error(diff)
	}
	<-p.Done()
}

func TestARawLogAmongOthersIsNotedAndNotFollowed(t *testing.T) {
	s := newStore(t, nil)
	one := open(t, s, Target{App: "a", Name: "out"})
	raw := open(t, s, Target{App: "b", ID: 1, Name: "out", Raw: true})
	done := make(chan struct{})
	go func() {
		defer close(done)
		eventually(t, "someone follows", func() bool { return one.followers.Load() != nil })
		say(t, one, nil, "x\n")
	}()
	got := collect(t, s, Request{Targets: []Target{one.Target(), raw.Target()}, Follow: true}, func(got []event.LogLine) bool { return len(got) == 2 })
	<-done
	if got[0].ID != 1 || !strings.Contains(got[0].Text, "tail -F") || got[1].Text != "x" {
		t.Errorf("got %+v", got)
	}
}
