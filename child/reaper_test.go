package child_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/procs"
	"github.com/tendproc/tend/internal/proctest"
)

// reaper plays a program that runs a Reaper beside children of its own, and tells
// what the Reaper collected.
func reaper([]string) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	collected := make(chan child.Exit, 100)
	r := child.Reaper{Reaped: func(_ int, exit child.Exit) {
		if _, err := child.Run(ctx, child.Command{Path: "/bin/true"}, child.StopOptions{}); err != nil { // as a supervisor's next one
			fmt.Println(err)
		}
		collected <- exit
	}}
	ready := make(chan struct{})
	r.Ready = func() { close(ready) }
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	<-ready
	if err := family(collected); err != nil {
		fmt.Println(err)
		return 1
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		fmt.Println("the reaper ended:", err)
		return 1
	}
	if tree, err := procs.Tree(os.Getpid()); err != nil || len(tree) != 1 {
		fmt.Println("left:", tree, err)
		return 1
	}
	return 0
}

// family has three orphans end beside children with an owner, who asks for their
// exit status only after the orphans are collected.
func family(collected <-chan child.Exit) error {
	late := exec.Command("/bin/sh", "-c", "exit 7")
	if err := late.Start(); err != nil {
		return err
	}
	own, err := child.Start(child.Command{Path: "/bin/sh", Args: []string{"-c", "exit 8"}})
	if err != nil {
		return err
	}
	defer own.Close()
	parent, err := child.Start(child.Command{
		Path: "/bin/sh", Args: []string{"-c", `for how in "exit 3" "exit 4" 'kill -KILL $$'; do (setsid sh -c "read x; $how" <&9 &) ; done`},
		Stdio: []child.Stdio{9: child.Pipe()},
	})
	if err != nil {
		return err
	}
	defer parent.Close()
	if exit, err := parent.Wait(context.Background()); err != nil || exit.Code != 0 {
		return fmt.Errorf("parent: %v, %w", exit, err)
	}
	if _, err := parent.Pipe(9).WriteString("1\n2\n3\n"); err != nil { // now that they are orphans
		return err
	}
	var exits []string
	for range 3 {
		exits = append(exits, (<-collected).String())
	}
	slices.Sort(exits)
	if err := json.NewEncoder(os.Stdout).Encode(exits); err != nil {
		return err
	}
	if exit, err := own.Wait(context.Background()); err != nil || exit.Code != 8 {
		return fmt.Errorf("a child of this package: %v, %w", exit, err)
	}
	if err := late.Wait(); late.ProcessState.ExitCode() != 7 {
		return fmt.Errorf("a child of package os: %w", err)
	}
	return nil
}

const collectedByReaper = `["SIGKILL","exit 3","exit 4"]` + "\n"

func TestReaper(t *testing.T) {
	out, err := child.ExecFile(soon(t), proctest.Self(), nil, child.ExecOptions{Env: append(os.Environ(), proctest.RoleEnv("reaper"))})
	if err != nil || string(out.Stdout) != collectedByReaper {
		t.Errorf("%s%s, %v", out.Stdout, out.Stderr, err)
	}
}

// The same as the first process of a container.
func TestReaperAsPID1(t *testing.T) {
	enter := []string{"--user", "--map-root-user", "--fork", "--pid", "--mount-proc"}
	switch out, err := child.ExecFile(soon(t), "unshare", append(enter, "true"), child.ExecOptions{}); {
	case strings.Contains(string(out.Stderr), "Operation not permitted"), strings.Contains(string(out.Stderr), "No space left"):
		t.Skipf("no namespaces here: %s", out.Stderr)
	case err != nil:
		t.Fatalf("%v: %s", err, out.Stderr)
	}
	out, err := child.ExecFile(soon(t), "unshare", append(enter, proctest.Self()), child.ExecOptions{
		Env: append(os.Environ(), proctest.RoleEnv("reaper")),
	})
	if err != nil || string(out.Stdout) != collectedByReaper {
		t.Errorf("%s%s, %v", out.Stdout, out.Stderr, err)
	}
}

// Ten thousand, shortened: BenchmarkTenThousand does them all.
func TestSpawnsLeaveNoTrace(t *testing.T) { spawnMany(t, 300) }

func BenchmarkTenThousand(b *testing.B) {
	for b.Loop() {
		spawnMany(b, 10_000)
	}
}

// spawnMany starts n children one after the other, of every kind and end, and
// looks for what they left: descriptors, children, zombies. Goroutines are counted
// when all tests are done.
func spawnMany(t testing.TB, n int) {
	ways := []func(testing.TB) error{spawnAndFeed, spawnTooMuch, spawnNothing, spawnForked, spawnStopped}
	before := openFiles(t)
	for i := range n {
		if err := ways[i%len(ways)](t); err != nil {
			t.Fatalf("spawn %d: %v", i, err)
		}
	}
	if after := openFiles(t); !slices.Equal(before, after) {
		t.Errorf("descriptors before %v, after %v", before, after)
	}
	if tree, err := procs.Tree(os.Getpid()); err != nil || len(tree) != 1 {
		t.Errorf("left: %v, %v", tree, err)
	}
}

func spawnAndFeed(t testing.TB) error {
	_, err := child.ExecFile(t.Context(), "/bin/true", nil, child.ExecOptions{Input: []byte("x")})
	return err
}

func spawnTooMuch(t testing.TB) error {
	_, err := child.Exec(t.Context(), "yes", child.ExecOptions{MaxBuffer: 10})
	if _, ok := errors.AsType[*child.MaxBufferError](err); !ok {
		return fmt.Errorf("too much output: %w", err)
	}
	return nil
}

func spawnNothing(testing.TB) error {
	p, err := child.Start(child.Command{Path: "/no/such", Stdio: []child.Stdio{child.Pipe(), child.Pipe(), child.Pipe(), child.Pipe()}})
	if err == nil {
		return fmt.Errorf("started %d", p.PID())
	}
	return nil
}

func spawnForked(t testing.TB) error {
	p, err := child.Fork("/bin/false", nil, child.ForkOptions{Silent: true})
	if err != nil {
		return err
	}
	defer p.Close()
	if exit, err := p.Wait(t.Context()); err != nil || exit.Code != 1 {
		return fmt.Errorf("fork: %v, %w", exit, err)
	}
	return nil
}

func spawnStopped(t testing.TB) error {
	p, err := child.Start(child.Command{Path: "/bin/sleep", Args: []string{"1000"}, Stdio: []child.Stdio{child.Pipe(), child.Pipe()}})
	if err != nil {
		return err
	}
	defer p.Close()
	if exit, err := p.Stop(t.Context(), child.StopOptions{}); err != nil || exit.Signal != syscall.SIGKILL {
		return fmt.Errorf("stop: %v, %w", exit, err)
	}
	return nil
}

func openFiles(t testing.TB) (fds []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		fds = append(fds, e.Name())
	}
	return fds
}
