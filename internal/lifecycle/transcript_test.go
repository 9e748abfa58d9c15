package lifecycle

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the transcripts")

// base is the time at which every transcript begins.
var base = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// defaults are the policy of a worker as spec resolves it.
func defaults() Policy {
	return Policy{
		Cluster: true, Overlap: true, Autorestart: true, MaxRestarts: 16, Window: time.Minute, MinUptime: time.Second,
		ListenTimeout: 30 * time.Second, Prove: time.Second, Drain: 1600 * time.Millisecond, Grace: 1600 * time.Millisecond,
	}
}

// TestTranscripts plays testdata/*.txt. A line "> event args" is given to Step,
// "+duration" passes time with a Tick at every deadline on the way, "late
// duration" without one, "policy key=value…" changes the policy; what follows each is what came of it.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(text))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(text) {
				t.Errorf("%s differs; got:\n%s", file, got)
			}
		})
	}
}

type player struct {
	p   Policy
	s   State
	now time.Time
	out strings.Builder
}

func play(t *testing.T, text string) string {
	pl := &player{p: defaults(), now: base}
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		switch {
		case strings.HasPrefix(line, "    "): // what came of it the last time
		case strings.HasPrefix(line, "> "):
			fmt.Fprintln(&pl.out, line)
			pl.step(parse(t, strings.Fields(line[2:])))
		case strings.HasPrefix(line, "+"):
			fmt.Fprintln(&pl.out, line)
			d, err := time.ParseDuration(line[1:])
			if err != nil {
				t.Fatal(err)
			}
			pl.pass(d)
		case strings.HasPrefix(line, "late "): // time passes, and nobody is there
			fmt.Fprintln(&pl.out, line)
			d, err := time.ParseDuration(line[len("late "):])
			if err != nil {
				t.Fatal(err)
			}
			pl.now = pl.now.Add(d)
		case strings.HasPrefix(line, "policy "):
			fmt.Fprintln(&pl.out, line)
			pl.policy(t, strings.Fields(line)[1:])
		default:
			fmt.Fprintln(&pl.out, line)
		}
	}
	return pl.out.String()
}

func (pl *player) step(ev Event) {
	var actions []Action
	pl.s, actions = Step(pl.p, pl.s, ev, pl.now)
	for _, a := range actions {
		name := strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", a), "lifecycle."))
		fmt.Fprintf(&pl.out, "    %s %s\n", name, strings.Trim(fmt.Sprint(a), "{}"))
	}
	fmt.Fprintf(&pl.out, "    %s\n", pl.show())
}

func (pl *player) show() string {
	s := &pl.s
	text := fmt.Sprintf("= %v %v", s.Goal, s.Phase)
	for _, l := range s.Lives {
		text += fmt.Sprintf(" [%d %s %s", l.Gen, l.Role, l.Stage)
		if l.Waits {
			text += " waits"
		}
		text += "]"
	}
	if s.Restarts+s.Unstable > 0 {
		text += fmt.Sprintf(" restarts=%d unstable=%d", s.Restarts, s.Unstable)
	}
	if !s.WakeAt.IsZero() {
		text += fmt.Sprintf(" wake=+%v", s.WakeAt.Sub(pl.now))
	}
	if s.Reason != "" {
		text += fmt.Sprintf(" %q", s.Reason)
	}
	if !s.Failure.IsZero() {
		text += fmt.Sprintf(" failure=%d", s.Failure.Gen)
	}
	return text
}

func (pl *player) pass(d time.Duration) {
	end := pl.now.Add(d)
	for !pl.s.WakeAt.IsZero() && !pl.s.WakeAt.After(end) {
		pl.now = pl.s.WakeAt
		fmt.Fprintf(&pl.out, "    tick at %v\n", pl.now.Sub(base))
		pl.step(Tick{})
	}
	pl.now = end
}

func (pl *player) policy(t *testing.T, words []string) {
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		d, _ := time.ParseDuration(value)
		n, _ := strconv.Atoi(value)
		switch key {
		case "cluster":
			pl.p.Cluster = value == "true"
			pl.p.Overlap = pl.p.Cluster
		case "overlap":
			pl.p.Overlap = value == "true"
		case "waitready":
			pl.p.WaitReady = value == "true"
		case "lenient":
			pl.p.Lenient = value == "true"
		case "immediate":
			pl.p.Immediate = value == "true"
		case "autorestart":
			pl.p.Autorestart = value == "true"
		case "stopcode":
			pl.p.StopExitCodes = []int{n}
		case "maxrestarts":
			pl.p.MaxRestarts = n
		case "maxage":
			pl.p.MaxAge = d
		case "cron":
			pl.p.Cron = strings.ReplaceAll(value, "_", " ")
		case "restartdelay":
			pl.p.RestartDelay = d
		case "backoff":
			pl.p.Backoff = d
		case "backoffreset":
			pl.p.BackoffReset = d
		default:
			t.Fatalf("unknown policy %q", w)
		}
	}
}

func parse(t *testing.T, words []string) Event {
	var gen uint64
	if len(words) > 1 {
		gen, _ = strconv.ParseUint(words[1], 10, 64)
	}
	rest := strings.Join(words[min(2, len(words)):], " ")
	switch words[0] {
	case "start":
		return Start{}
	case "hold":
		return Start{Hold: "waits for " + words[1]}
	case "permit":
		return Permit{}
	case "refuse":
		return Refuse{strings.Join(words[1:], " ")}
	case "stop":
		return Stop{}
	case "restart":
		return Restart{}
	case "reload":
		return Reload{}
	case "try":
		return Reload{Trial: true}
	case "recycle":
		return Recycle{}
	case "promote":
		return Promote{}
	case "reject":
		return Reject{}
	case "delete":
		return Delete{}
	case "retire":
		return Delete{Drain: true}
	case "tick":
		return Tick{}
	case "reset":
		return Reset{}
	case "spawned":
		return Spawned{Gen: gen, PID: 100 + int(gen)}
	case "adopted":
		return Adopted{Gen: gen, PID: 100 + int(gen)}
	case "lost":
		return Lost{gen}
	case "spawnfailed":
		return SpawnFailed{Gen: gen, Reason: "no such file", Final: rest == "final"}
	case "online":
		return Online{gen}
	case "prepared":
		return Prepared{gen}
	case "admit":
		return Admit{gen}
	case "listening":
		return Listening{gen}
	case "listenfailed":
		return ListenFailed{gen, rest}
	case "ready":
		return Ready{gen}
	case "hung":
		return Hung{gen, rest}
	case "leaving":
		return Leaving{gen}
	case "disconnected":
		return Disconnected{gen}
	case "gone":
		return Gone{gen}
	case "exited":
		if code, err := strconv.Atoi(rest); err == nil {
			return Exited{Gen: gen, Code: code}
		}
		return Exited{Gen: gen, Code: -1, Signal: rest}
	}
	t.Fatalf("unknown event %q", words)
	return nil
}
