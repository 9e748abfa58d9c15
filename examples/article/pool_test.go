package article

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tendproc/tend/internal/proctest"
)

// S1 with a pool: both computations run at once, the server answers meanwhile, a
// killed worker is an error for its client alone, and a client that goes away
// takes its computation with it.
func TestComputeByPoolLeavesTheServerFree(t *testing.T) {
	proctest.FirstNode(t)
	golang := build(t, "./examples/article/s1-pool")
	for name, argv := range map[string][]string{"go": {golang}, "node": {golang, "s1-pool/worker.js"}} {
		t.Run(name, func(t *testing.T) {
			// Far longer than the test: the computations end only by our hand.
			p := start(t, []string{"COUNT=1e15", "PORT=0", "WORKERS=2"}, argv...)
			port := p.number(`listening (\d+)`)
			results := make(chan string, 1)
			go func() {
				status, body, err := get(t.Context(), port, "/compute")
				results <- fmt.Sprint(status, " ", body, " ", err)
			}()
			first := p.number(`computing (\d+)`)
			impatient, cancel := context.WithCancel(t.Context())
			gaveUp := make(chan error, 1)
			go func() {
				_, _, err := get(impatient, port, "/compute")
				gaveUp <- err
			}()
			second := p.number(`computing (\d+)`)
			must(t, port, "/")
			syscall.Kill(first, syscall.SIGKILL)
			if r := <-results; !strings.HasPrefix(r, "500 ") || !strings.Contains(r, "task sum: worker "+strconv.Itoa(first)+" ended: SIGKILL") {
				t.Errorf("the killed computation: %s", r)
			}
			if gone(second) {
				t.Error("the other computation ended too")
			}
			cancel()
			if err := <-gaveUp; err == nil {
				t.Error("the other computation answered")
			}
			until(t, "the computation nobody waits for ends", func() bool { return gone(second) })
			must(t, port, "/")
			p.signal(syscall.SIGTERM)
			p.ends(0)
		})
		t.Run(name+" answers", func(t *testing.T) {
			p := start(t, []string{"COUNT=1e6", "PORT=0", "WORKERS=1"}, argv...)
			port := p.number(`listening (\d+)`)
			for range 3 {
				if body := must(t, port, "/compute"); body != "sum 499999500000" {
					t.Errorf("compute: %q", body)
				}
			}
			// One worker did them all.
			if a, b := p.number(`computing (\d+)`), p.number(`computing (\d+)`); a != b {
				t.Errorf("workers %d and %d", a, b)
			}
		})
	}
	t.Run("thread answers", func(t *testing.T) {
		p := start(t, []string{"COUNT=1e6", "PORT=0"}, golang, "-thread")
		port := p.number(`listening (\d+)`)
		if body := must(t, port, "/compute"); body != "sum 499999500000" {
			t.Errorf("compute: %q", body)
		}
		if pid := p.number(`computing (\d+)`); pid != p.cmd.Process.Pid {
			t.Errorf("computed in %d, not in %d", pid, p.cmd.Process.Pid)
		}
	})
}

// S2: both programs say the same of themselves and on their ways out.
func TestProcessObject(t *testing.T) {
	node := proctest.FirstNode(t).Path
	golang := build(t, "./examples/article/s2-process")
	words, err := exec.Command(node, "-p", "process.platform + ' ' + process.arch").Output()
	if err != nil {
		t.Fatal(err)
	}
	about := strings.TrimSpace(string(words)) + " production uptime true tty false"
	for _, tt := range []struct {
		how   string
		want  []string
		codes map[string]int // by who runs
	}{
		{how: "return", want: []string{"up", "exit 0"}, codes: map[string]int{"node": 0, "go": 0}},
		{how: "exit", want: []string{"exit 4"}, codes: map[string]int{"node": 4, "go": 4}},
		{how: "", want: []string{"up", "asked to end", "exit 5"}, codes: map[string]int{"node": 5, "go": 5}},
		{how: "throw", want: []string{"uncaught it went wrong", "exit N"}, codes: map[string]int{"node": 1, "go": 2}},
	} {
		for who, argv := range map[string][]string{"node": {node, "s2-process/process.js", tt.how}, "go": {golang, tt.how}} {
			t.Run(who+"/"+tt.how, func(t *testing.T) {
				p := start(t, []string{"NODE_ENV=production"}, argv...)
				if tt.how == "" {
					p.expect("^up$")
					if title, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.cmd.Process.Pid)); !strings.HasPrefix(string(title), "article s2") {
						t.Errorf("ps shows %q, %v", title, err)
					}
					p.signal(syscall.SIGTERM)
				}
				code := tt.codes[who]
				said := p.ends(code)
				want := append([]string{about, fmt.Sprintf("pid %d of %d", p.cmd.Process.Pid, os.Getpid())}, tt.want...)
				want[len(want)-1] = strings.ReplaceAll(want[len(want)-1], "N", strconv.Itoa(code))
				if tt.how == "throw" { // the trace is on standard error, which is here too
					said = slices.DeleteFunc(said, func(line string) bool { return !slices.Contains(want, line) })
				}
				if !slices.Equal(said, want) {
					t.Errorf("it said %q, want %q", said, want)
				}
			})
		}
	}
}

// S11: with two threads nothing gets past two that wait; with three it does.
func TestThreadPoolSize(t *testing.T) {
	for who, argv := range map[string][]string{
		"node": {proctest.FirstNode(t).Path, "s11-threads/threadpool.js"},
		"go":   {build(t, "./examples/article/s11-threads")},
	} {
		for size, first := range map[string]string{"2": "opened", "3": "stat"} {
			t.Run(who+"/"+size, func(t *testing.T) {
				pipe := filepath.Join(t.TempDir(), "pipe")
				if err := syscall.Mkfifo(pipe, 0o600); err != nil {
					t.Fatal(err)
				}
				p := start(t, []string{"UV_THREADPOOL_SIZE=" + size}, append(argv, pipe)...)
				now := []string{"^the event loop goes on$"} // though nobody writes yet
				if size == "3" {
					now = append(now, "^stat$") // before or after: a loop that is slow finds it done
				}
				p.expectAll(now...)
				w, err := os.OpenFile(pipe, os.O_WRONLY, 0) // when one reads; lets all pass
				if err != nil {
					t.Fatal(err)
				}
				defer w.Close()
				said := p.ends(0)
				said = slices.DeleteFunc(said, func(line string) bool { return line != "opened" && line != "stat" })
				if len(said) != 3 || said[0] != first {
					t.Errorf("in the order %q", said)
				}
			})
		}
	}
}
