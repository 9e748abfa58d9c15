package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/proctest"
)

// live has hooks, and ends in the way that args[0] names.
func live(args []string) int {
	if args[0] == "ignored" {
		signal.Ignore(syscall.SIGHUP)
	}
	Main(func(l *Life) int {
		l.OnExit(func(code int) { fmt.Println("first", code) })
		remove := l.OnExit(func(code int) { fmt.Println("removed", code) })
		remove()
		l.OnUncaught(func(v any, stack []byte) {
			fmt.Println("uncaught", v, strings.Contains(string(stack), "process.bad"))
		})
		if args[0] == "hook panics" {
			l.OnExit(func(int) { panic("in a hook") })
		}
		if args[0] == "hook hangs" {
			l.hookTime = 50 * time.Millisecond
			l.OnExit(func(int) { select {} })
		}
		if args[0] == "panic beside a hook" {
			told := make(chan struct{})
			l.OnUncaught(func(any, []byte) { close(told) })
			l.OnExit(func(int) {
				l.Go(bad)
				<-told
				<-time.After(20 * time.Millisecond) // it has more to do
				fmt.Println("done")
			})
		}
		l.OnExit(func(code int) { fmt.Println("last", code) })
		return end(l, args[0])
	})
	return 99 // not reached
}

func end(l *Life, how string) int {
	switch how {
	case "return":
		return 3
	case "exit":
		l.Go(func() { l.Exit(4) })
	case "exits":
		for i := range 8 {
			l.Go(func() { l.Exit(i) })
		}
	case "panic":
		bad()
	case "panic in a goroutine":
		l.Go(bad)
	case "panic in a handler":
		handle(l, "SIGUSR1", bad)
		raise(syscall.SIGUSR1)
	case "hook panics", "hook hangs", "panic beside a hook":
		return 6
	case "handler":
		remove := handle(l, "usr2", func() { fmt.Println("no more") })
		handle(l, "SIGUSR2", func() { raise(syscall.SIGTERM) })
		remove()
		handle(l, "SIGTERM", func() {
			fmt.Println("asked to end")
			l.Exit(5)
		})
		raise(syscall.SIGUSR2)
	case "handler removed":
		handle(l, "SIGTERM", func() {})()
		raise(syscall.SIGTERM)
	case "ignored":
		raise(syscall.SIGHUP)
		return 0
	}
	fmt.Println("up")
	select {}
}

//go:noinline
func bad() { panic(errors.New("it went wrong")) }

func handle(l *Life, name string, fn func()) (remove func()) {
	remove, err := l.On(name, fn)
	if err != nil {
		panic(err)
	}
	return remove
}

func raise(sig syscall.Signal) { syscall.Kill(os.Getpid(), sig) }

func TestHooksRunOnceOnEveryWayOut(t *testing.T) {
	for _, tt := range []struct {
		how    string
		said   string // on standard output
		code   int
		signal syscall.Signal
		trace  string // on standard error
	}{
		{how: "return", said: "last 3 first 3", code: 3},
		{how: "exit", said: "up last 4 first 4", code: 4},
		{how: "panic", said: "uncaught it went wrong true last 2 first 2", code: 2, trace: "it went wrong"},
		{how: "panic in a goroutine", said: "up uncaught it went wrong true last 2 first 2", code: 2, trace: "process.bad"},
		{how: "panic in a handler", said: "up uncaught it went wrong true last 2 first 2", code: 2, trace: "process.bad"},
		{how: "hook panics", said: "last 6 first 6", code: 2, trace: "in a hook"},
		{how: "panic beside a hook", said: "last 6 uncaught it went wrong true done first 6", code: 2, trace: "process.bad"},
		{how: "hook hangs", said: "last 6", code: 6},
		{how: "handler", said: "up asked to end last 5 first 5", code: 5},
		{how: "handler removed", said: "up last 143 first 143", code: -1, signal: syscall.SIGTERM},
		{how: "ignored", said: "last 0 first 0", code: 0},
	} {
		t.Run(tt.how, func(t *testing.T) {
			said, trace, status := lifeOf(t, tt.how, 0)
			if want := strings.TrimPrefix(tt.said, "up "); said != want {
				t.Errorf("it said %q, want %q", said, want)
			}
			if status.ExitStatus() != tt.code || (tt.signal != 0 && status.Signal() != tt.signal) {
				t.Errorf("exit %d, signal %v", status.ExitStatus(), status.Signal())
			}
			if !strings.Contains(trace, tt.trace) || (tt.trace == "" && trace != "") {
				t.Errorf("standard error: %s", trace)
			}
		})
	}
	for _, sig := range deadly {
		t.Run(sig.String(), func(t *testing.T) {
			said, trace, status := lifeOf(t, "nothing", sig)
			code := 128 + int(sig)
			if want := fmt.Sprintf("last %d first %d", code, code); said != want || !status.Signaled() || status.Signal() != sig || trace != "" {
				t.Errorf("%q, %v, %s", said, status, trace)
			}
		})
	}
	t.Run("many exits", func(t *testing.T) {
		said, _, status := lifeOf(t, "exits", 0)
		code := status.ExitStatus()
		if want := fmt.Sprintf("last %d first %d", code, code); said != want || code < 0 {
			t.Errorf("%q, %v", said, status)
		}
	})
}

// lifeOf runs the role to its end, and sends it a signal when it is up. What it
// says comes as words in one line, without "up".
func lifeOf(t *testing.T, how string, sig syscall.Signal) (said, trace string, status syscall.WaitStatus) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	// A signal that is ignored here, as under nohup, would be ignored there: one that is
	// handled here is not.
	handled := make(chan os.Signal, 1)
	if sig != 0 {
		signal.Notify(handled, sig)
		defer signal.Stop(handled)
	}
	cmd := exec.CommandContext(ctx, proctest.Self(), how)
	cmd.Env = append(os.Environ(), proctest.RoleEnv("life"))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var words []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() != "up" {
			words = append(words, lines.Text())
		} else if sig != 0 {
			cmd.Process.Signal(sig)
		}
	}
	cmd.Wait()
	return strings.Join(words, " "), stderr.String(), cmd.ProcessState.Sys().(syscall.WaitStatus)
}

func TestSignalsThatNobodyHandles(t *testing.T) {
	l := &Life{handled: map[syscall.Signal]int{}}
	for _, name := range []string{"SIGKILL", "stop", "9", "SIGNONE", ""} {
		if _, err := l.On(name, func() {}); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
	if runtime.GOOS == "linux" {
		if sig, err := ParseSignal("SIGRTMIN+3"); err != nil || SignalName(sig) != "SIGRTMIN+3" {
			t.Errorf("%v, %v", sig, err)
		}
	}
}
