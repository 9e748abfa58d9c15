package runner

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/cluster"
	"github.com/tendproc/tend/internal/logs"
	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/internal/spec"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == ListenExec {
		fmt.Println(RunListenExec(os.Args[2:]))
		os.Exit(127)
	}
	proctest.Main(m,
		proctest.Role{Name: "app", Run: app},
	)
}

// app is the program under guard: each argument is something it does.
func app(args []string) int {
	for _, arg := range args {
		word, rest, _ := strings.Cut(arg, "=")
		switch word {
		case "out":
			fmt.Println(rest)
		case "err":
			fmt.Fprintln(os.Stderr, rest)
		case "say": // on the channel
			fd, _ := strconv.Atoi(os.Getenv("NODE_CHANNEL_FD"))
			os.NewFile(uintptr(fd), "channel").WriteString(rest + "\n")
		case "begin": // a message that "finish" ends
			os.NewFile(channelFD, "channel").WriteString(half(rest))
		case "finish":
			os.NewFile(channelFD, "channel").WriteString(half(rest)[1:] + "\"\n")
		case "env":
			fmt.Println(rest + "=" + os.Getenv(rest))
		case "echo":
			in := bufio.NewScanner(os.Stdin)
			for in.Scan() && in.Text() != "end" {
				fmt.Println("got " + in.Text())
			}
		case "hear": // one message
			line, _ := heard().ReadString('\n')
			fmt.Print("heard " + line)
		case "measure": // one message, and tells its length on the channel
			line, _ := heard().ReadString('\n')
			fmt.Fprintf(os.NewFile(channelFD, "channel"), "%d\n", len(line)-1)
		case "ignore":
			signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
		case "stray": // a grandchild that holds the output
			cmd := exec.Command("sleep", "1000")
			cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			if err := cmd.Start(); err != nil {
				return 99
			}
			fmt.Println("stray", cmd.Process.Pid)
		case "flood":
			flood(os.NewFile(channelFD, "channel"))
		case "inherit": // prints what it was given
			inherit()
		case "notify", "watchdog":
			conn, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
			if err != nil {
				fmt.Println(err)
				return 98
			}
			text := "STATUS=well\nREADY=1\n"
			if word == "watchdog" {
				text = "WATCHDOG=1"
			}
			conn.Write([]byte(text))
		case "wait":
			select {}
		case "exit":
			code, _ := strconv.Atoi(rest)
			return code
		case "kill":
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	}
	return 0
}

// half is the first half of a message; without its first byte, the second.
func half(length string) string {
	n, _ := strconv.Atoi(length)
	return "\"" + strings.Repeat("x", n)
}

// heard reads the channel.
var heard = sync.OnceValue(func() *bufio.Reader { return bufio.NewReader(os.NewFile(channelFD, "channel")) })

func inherit() {
	n, _ := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	fmt.Printf("pid %s of %d, %d sockets, channel %s\n", os.Getenv("LISTEN_PID"), os.Getpid(), n, os.Getenv("NODE_CHANNEL_FD"))
	for fd := 3; fd < 3+n; fd++ {
		l, err := net.FileListener(os.NewFile(uintptr(fd), "inherited"))
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(l.Addr())
	}
	fmt.Println("inherited")
}

// flood writes what is no message: binary, blank lines, bad JSON, 4 MiB in all.
func flood(w *os.File) {
	junk := []byte("\x00\xff\n\n{bad json\nGET / HTTP/1.1\r\n\r\n" + strings.Repeat("z", 4096))
	for range 1024 {
		if _, err := w.Write(junk); err != nil {
			fmt.Println("flood:", err)
			return
		}
	}
	fmt.Println("flooded")
}

// told is one report and the time it came at.
type told struct {
	key Key
	rep Report
	at  time.Time
}

// rig is a runner with all it needs, and what it reported.
type rig struct {
	t       testing.TB
	r       *Runner
	primary *cluster.Primary
	dir     string

	mu   sync.Mutex // guards seen
	seen []told
	news chan struct{}
}

func newRig(t testing.TB) *rig {
	t.Helper()
	g := &rig{t: t, dir: t.TempDir(), news: make(chan struct{}, 1)}
	primary, err := cluster.NewPrimary(cluster.PrimaryOptions{OnEvent: func(ev cluster.Event) { g.r.ClusterEvent(ev) }})
	if err != nil {
		t.Fatal(err)
	}
	store := logs.NewStore(logs.Options{Dir: g.dir, OnError: func(err error) { t.Error(err) }})
	g.primary = primary
	g.r = New(Options{Logs: store, Primary: primary, Home: g.dir, Report: g.report})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- primary.Run(ctx) }()
	t.Cleanup(func() {
		limit, stop := context.WithTimeout(context.Background(), 20*time.Second)
		defer stop()
		if err := g.r.Close(limit); err != nil {
			t.Errorf("a life was left: %v", err)
		}
		cancel()
		<-done
		if err := store.Stop(limit); err != nil {
			t.Errorf("a pipe was left: %v", err)
		}
	})
	return g
}

func (g *rig) report(k Key, rep Report) {
	g.mu.Lock()
	g.seen = append(g.seen, told{k, rep, time.Now()})
	g.mu.Unlock()
	select {
	case g.news <- struct{}{}:
	default:
	}
}

func (g *rig) reports(k Key) (list []Report) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.seen {
		if s.key == k {
			list = append(list, s.rep)
		}
	}
	return list
}

// await returns the first report of type R for k.
func await[R Report](g *rig, k Key) R {
	g.t.Helper()
	timeout := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, rep := range g.reports(k) {
			if r, ok := rep.(R); ok {
				return r
			}
		}
		select {
		case <-g.news:
		case <-tick.C:
		case <-timeout:
			var want R
			g.t.Fatalf("no %T for %v; got %s; log %q", want, k, g.names(k), g.r.Tail(k, 20))
		}
	}
}

// names are the types of what was reported, in order.
func (g *rig) names(k Key) string {
	var names []string
	for _, rep := range g.reports(k) {
		names = append(names, strings.TrimPrefix(fmt.Sprintf("%T", rep), "runner."))
	}
	return strings.Join(names, " ")
}

// awaitOutput waits until the process wrote line.
func (g *rig) awaitOutput(k Key, line string) {
	g.t.Helper()
	timeout := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		tail := g.r.Tail(k, 100)
		for _, got := range tail {
			if strings.HasPrefix(got, line) {
				return
			}
		}
		select {
		case <-tick.C:
		case <-timeout:
			g.t.Fatalf("no %q in %q; %s", line, tail, g.names(k))
		}
	}
}

// spec is an app that is the test binary doing args.
func (g *rig) spec(args ...string) spec.App {
	role := strings.SplitN(proctest.RoleEnv("app"), "=", 2)
	env := map[string]string{role[0]: role[1], "HOME": g.dir, "GORACE": "atexit_sleep_ms=0"}
	for _, kv := range os.Environ() {
		name, value, _ := strings.Cut(kv, "=")
		if name == "PATH" || strings.HasPrefix(name, "TEND_TEST") || name == "GOCOVERDIR" {
			if name != role[0] {
				env[name] = value
			}
		}
	}
	return spec.App{
		Name: "a", Namespace: "default", Script: proctest.Self(), Args: args, Mode: spec.Fork, Instances: 1,
		Cwd: g.dir, Env: env, OutFile: filepath.Join(g.dir, "a-out.log"), ErrorFile: filepath.Join(g.dir, "a-error.log"),
		StopSignal: "SIGTERM", KillTimeout: 1600 * time.Millisecond, TreeKill: true, InstanceVar: "NODE_APP_INSTANCE",
	}
}

func (g *rig) spawn(a spec.App) Key {
	k := Key{ID: 3, Gen: 7}
	g.r.Spawn(Spawn{Key: k, App: a, Index: 2, Restarts: 5})
	return k
}

func (g *rig) content(name string) string {
	g.t.Helper()
	b, err := os.ReadFile(filepath.Join(g.dir, name))
	if err != nil {
		g.t.Fatal(err)
	}
	return string(b)
}

// gone says whether the process has ended. A zombie has: reaping it is for init.
func gone(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}
