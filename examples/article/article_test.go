package article

import (
	"context"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/proctest"
)

// S1: the blocking server answers nobody while it computes.
func TestComputeBlocksTheServer(t *testing.T) {
	node := proctest.FirstNode(t).Path
	p := start(t, []string{"COUNT=3e8"}, node, "s1-compute/blocking.js")
	port := p.number(`listening (\d+)`)
	must(t, port, "/")

	type answer struct {
		body string
		at   time.Time
	}
	computed := make(chan answer, 1)
	asked := make(chan struct{})
	go func() {
		close(asked)
		_, body, _ := get(context.Background(), port, "/compute")
		computed <- answer{body, time.Now()}
	}()
	<-asked
	// Ask until a question falls into the computation: it is answered only after.
	for {
		must(t, port, "/")
		answered := time.Now()
		select {
		case a := <-computed:
			if !strings.HasPrefix(a.body, "sum 4499999") {
				t.Errorf("compute: %q", a.body)
			}
			// The last question was held up for as long as the sum took.
			if answered.Before(a.at.Add(-time.Second)) {
				t.Errorf("/ was answered at %v, before the computation at %v", answered, a.at)
			}
			return
		default:
		}
	}
}

// S1, the cure: in Node, and in Go with the same child.
func TestComputeByForkLeavesTheServerFree(t *testing.T) {
	node := proctest.FirstNode(t).Path
	for _, tt := range []struct {
		name string
		argv []string
	}{
		{"node", []string{node, "s1-compute/forked.js"}},
		{"go", []string{build(t, "./examples/article/s1-compute"), "s1-compute/compute.js"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// Far longer than the test: the computations end only by our hand.
			p := start(t, []string{"COUNT=1e15", "PORT=0"}, tt.argv...)
			port := p.number(`listening (\d+)`)
			results := make(chan string, 2)
			for range 2 {
				go func() {
					status, body, err := get(t.Context(), port, "/compute")
					results <- fmt.Sprint(status, " ", body, " ", err)
				}()
			}
			// Both run at once, and the server answers meanwhile.
			first, second := p.number(`computing (\d+)`), p.number(`computing (\d+)`)
			must(t, port, "/")
			// A killed child is an error for its client, not a hang, and only for it.
			syscall.Kill(first, syscall.SIGKILL)
			if r := <-results; !strings.HasPrefix(r, "500 ") || !strings.Contains(r, "ended early") || !strings.Contains(r, "KILL") {
				t.Errorf("the killed computation: %s", r)
			}
			must(t, port, "/")
			syscall.Kill(second, syscall.SIGTERM)
			if r := <-results; !strings.HasPrefix(r, "500 ") {
				t.Errorf("the ended computation: %s", r)
			}
			until(t, "children reaped", func() bool { return gone(first) && gone(second) })
		})
		t.Run(tt.name+" answers", func(t *testing.T) {
			p := start(t, []string{"COUNT=1e6", "PORT=0"}, tt.argv...)
			port := p.number(`listening (\d+)`)
			if body := must(t, port, "/compute"); body != "sum 499999500000" {
				t.Errorf("compute: %q", body)
			}
			pid := p.number(`computing (\d+)`)
			until(t, "child reaped", func() bool { return gone(pid) })
		})
	}
}

// S3: the four ways.
func TestFourWaysToStartAProgram(t *testing.T) {
	node := proctest.FirstNode(t)
	for _, tt := range []struct {
		script string
		want   []string
	}{
		{"spawn.js", []string{"spawn: 8388608 bytes, code 0, signal null"}},
		{"exec.js", []string{"exec: 2 words", "maxBuffer: ERR_CHILD_PROCESS_STDIO_MAXBUFFER, kept 204800 bytes", "failure: code 3"}},
		{"execfile.js", []string{"execFile: hello; echo injected", "missing: ENOENT"}},
		{"fork.js", []string{"fork: hello from another process: true", "exit: code 0, signal null"}},
	} {
		t.Run("node/"+tt.script, func(t *testing.T) {
			if got := start(t, nil, node.Path, "s3-start/"+tt.script).ends(0); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("go", func(t *testing.T) {
		want := []string{
			"spawn: 8388608 bytes, code 0", "exec: 2 words", "maxBuffer: stdout: more than 204800 bytes, kept 204800 bytes",
			"failure: code 3", "execFile: hello; echo injected", "missing: true",
			"fork: hello from another process: true", "exit: code 0",
		}
		if got := start(t, nil, build(t, "./examples/article/s3-start"), "s3-start/echo.js").ends(0); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// S4: hello cluster. A killed worker is told of, replaced, and the port answers on.
func TestHelloCluster(t *testing.T) {
	programs := map[string][]string{
		"go":   {build(t, "./examples/article/s4-cluster")},
		"node": {proctest.FirstNode(t).Path, "s4-cluster/cluster.js"},
	}
	for name, argv := range programs {
		t.Run(name, func(t *testing.T) {
			p := start(t, []string{"WORKERS=2", "PORT=0"}, argv...)
			port := p.number(`worker \d listening .*?(\d+)$`)
			if other := p.number(`worker \d listening .*?(\d+)$`); other != port {
				t.Fatalf("two ports: %d and %d", port, other)
			}
			pids := answering(t, port, 2)
			syscall.Kill(pids[0], syscall.SIGKILL)
			p.expect(`worker \d died: .*KILL`)
			p.expect(`worker 3 listening`)
			if now := answering(t, port, 2); slices.Contains(now, pids[0]) {
				t.Errorf("the dead answers: %v of %v", now, pids)
			}
			p.signal(syscall.SIGTERM)
			<-p.done
			until(t, "workers gone", func() bool { return gone(pids[1]) })
		})
	}
}

var pidIn = regexp.MustCompile(`pid (\d+)`)

// answering collects the pids that answer until there are n.
func answering(t *testing.T, port, n int) (pids []int) {
	t.Helper()
	until(t, fmt.Sprintf("answers of %d processes", n), func() bool {
		bodies := make(chan string)
		const atOnce = 8 // the kernel may give one by one to the same process
		for range atOnce {
			go func() {
				_, body, _ := get(t.Context(), port, "/")
				bodies <- body
			}()
		}
		for range atOnce {
			if m := pidIn.FindStringSubmatch(<-bodies); m != nil {
				if pid, _ := strconv.Atoi(m[1]); !slices.Contains(pids, pid) {
					pids = append(pids, pid)
				}
			}
		}
		return len(pids) >= n
	})
	return pids
}

// S5: the same conversation, whoever is at either end.
func TestMessagesBetweenGoAndNode(t *testing.T) {
	golang := build(t, "./examples/article/s5-channel")
	for i, node := range proctest.Nodes(t) {
		for name, argv := range map[string][]string{
			"node-node": {node.Path, "s5-channel/parent.js"},
			"node-go":   {node.Path, "s5-channel/parent.js", golang},
			"go-node":   {golang, "s5-channel/child.js"},
			"go-go":     {golang, golang},
		} {
			if i > 0 && (name == "go-go" || name == "node-node") {
				continue // the other versions only where they meet Go
			}
			t.Run(node.Name()+"/"+name, func(t *testing.T) {
				said := start(t, withNode(node.Path), argv...).ends(0)
				var got []string
				for _, line := range said {
					if text, ok := strings.CutPrefix(line, "parent: "); ok && !strings.Contains(text, "an internal message") {
						got = append(got, text)
					}
				}
				want := []string{
					`{"hello":"from the child","channel":true}`,
					`{"got":{"n":1,"text":"grüße` + "\u2028" + `"},"type":"object"}`, `{"got":[1,2,3],"type":"array"}`,
					`{"got":"text","type":"string"}`, `{"got":42,"type":"number"}`, `{"got":true,"type":"boolean"}`,
					`{"got":null,"type":"null"}`, "disconnected", "exit 0",
				}
				normal := func(lines []string) []string { // Go writes members in its order, and escapes more
					out := make([]string, len(lines))
					for i, l := range lines {
						out[i] = strings.ReplaceAll(strings.ReplaceAll(l, `\u2028`, "\u2028"), `{"channel":true,"hello":"from the child"}`, want[0])
					}
					slices.Sort(out[max(0, len(out)-2):]) // disconnected and exit may come in either order
					return out
				}
				if !slices.Equal(normal(got), want) {
					t.Errorf("got  %q\nwant %q", normal(got), want)
				}
			})
		}
	}
}

// withNode has the Node under test found first on PATH, under its usual name.
func withNode(path string) []string {
	return []string{"PATH=" + path[:strings.LastIndexByte(path, '/')] + ":" + os.Getenv("PATH")}
}

// S6: each kind of handle both ways, whoever is at either end.
func TestHandlesBetweenGoAndNode(t *testing.T) {
	golang := build(t, "./examples/article/s6-handles")
	kinds := []string{"net.Server", "net.Socket", "pipe", "dgram.Socket", "net.Native"}
	for i, node := range proctest.Nodes(t) {
		for _, tt := range []struct {
			name, child, parent string // what serves the sockets that the other end gave
			argv                []string
		}{
			{"node-node", "node", "node", []string{node.Path, "s6-handles/parent.js"}},
			{"node-go", "go", "node", []string{node.Path, "s6-handles/parent.js", golang}},
			{"go-node", "node", "go", []string{golang, "s6-handles/child.js"}},
			{"go-go", "go", "go", []string{golang, golang}},
		} {
			if i > 0 && (tt.name == "go-go" || tt.name == "node-node") {
				continue // the other versions only where they meet Go
			}
			t.Run(node.Name()+"/"+tt.name, func(t *testing.T) {
				var want []string
				for _, kind := range kinds {
					want = append(want, "parent gave "+kind+": from "+tt.child, "child gave "+kind+": from "+tt.parent)
				}
				want = append(want, "exit 0")
				if got := start(t, withNode(node.Path), tt.argv...).ends(0); !slices.Equal(got, want) {
					t.Errorf("got  %q\nwant %q", got, want)
				}
			})
		}
	}
}

// S7: the guard recreates its workers, a leaving worker's successor comes
// first, and signals to the master end everybody in order.
func TestMasterGuardsItsWorkers(t *testing.T) {
	node := proctest.FirstNode(t).Path
	for name, argv := range map[string][]string{
		"node": {node, "s7-guard/master.js"},
		"go":   {build(t, "./examples/article/s7-guard"), "s7-guard/worker.js"},
	} {
		for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM} {
			t.Run(name+"/"+sig.String(), func(t *testing.T) {
				p := start(t, []string{"WORKERS=2", "PORT=0"}, argv...)
				port := p.number(`listening (\d+)`)
				pids := answering(t, port, 2)

				syscall.Kill(pids[0], syscall.SIGKILL)
				p.expect(fmt.Sprintf(`master: %d exited: .*KILL`, pids[0]))
				p.number(`master: created (\d+)`)

				// A worker that fails by itself: its successor is created before it exits.
				_, body, err := get(t.Context(), port, "/crash")
				if err != nil {
					t.Fatal(err)
				}
				leaver := pidIn.FindStringSubmatch(body)[1]
				p.expect(`master: ` + leaver + ` announced its end`)
				p.expect(`master: created \d+`)
				p.expect(`master: ` + leaver + ` exited: .*1`)
				alive := answering(t, port, 2)

				p.signal(sig)
				p.ends(0)
				for _, pid := range alive {
					if !gone(pid) {
						t.Errorf("worker %d outlived its master", pid)
					}
				}
				if status, _, err := get(t.Context(), port, "/"); err == nil {
					t.Errorf("somebody still answers: %d", status)
				}
			})
		}
	}
}

// S10: found by name, asked, ended; nobody is left behind.
func TestEndingAStubbornFamily(t *testing.T) {
	proctest.FirstNode(t)
	p := start(t, nil, build(t, "./examples/article/s10-ending"), "s10-ending/family.js")
	family := p.expect(`^family (\d+) (\d+) (\d+)$`)[1:]
	p.expect(`found by name: family`)
	p.expect(`after SIGTERM: parent .*, child alive true`)
	p.expect(`after SIGKILL: child alive false, stray alive false`)
	p.ends(0)
	for _, word := range family {
		if pid, _ := strconv.Atoi(word); !gone(pid) {
			t.Errorf("process %d is left", pid)
		}
	}
}

// A program that uses cluster or fork itself, under tend in fork mode: its
// workers are its own, and stopping it ends them too.
func TestOwnClusterUnderTend(t *testing.T) {
	proctest.FirstNode(t)
	tend := build(t, "./cmd/tend")
	env := []string{"TEND_HOME=" + t.TempDir()}
	run := func(args ...string) {
		t.Helper()
		start(t, env, append([]string{tend}, args...)...).ends(0)
	}
	t.Cleanup(func() { run("kill") })
	for _, tt := range []struct {
		script, want string
		processes    int
	}{
		{"cluster", `worker \d pid (\d+) of (\d+)`, 2},
		{"fork", `child (\d+) of (\d+): got /`, 1},
	} {
		t.Run(tt.script, func(t *testing.T) {
			port := freePort(t)
			run("start", "own-cluster/"+tt.script+".js", "--name", tt.script, "--env", "PORT="+strconv.Itoa(port))
			main := start(t, env, tend, "pid", tt.script).number(`(\d+)`)
			re := regexp.MustCompile(tt.want)
			var pids []int
			until(t, "answers of its own processes", func() bool {
				_, body, err := get(t.Context(), port, "/")
				m := re.FindStringSubmatch(body)
				if err != nil || m == nil {
					return false
				}
				if m[2] != strconv.Itoa(main) {
					t.Fatalf("%q: the parent is not %d", body, main)
				}
				if pid, _ := strconv.Atoi(m[1]); !slices.Contains(pids, pid) {
					pids = append(pids, pid)
				}
				return len(pids) == tt.processes
			})
			run("stop", tt.script)
			for _, pid := range append(pids, main) {
				if !gone(pid) {
					t.Errorf("process %d is left after stop", pid)
				}
			}
		})
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
