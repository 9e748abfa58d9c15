package child_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/proctest"
)

// leave starts a tree, says who it is, and ends without it.
func leave([]string) int {
	p, err := child.Start(child.Command{
		Path:  "/bin/sh",
		Args:  []string{"-c", "setsid sleep 1000 & echo up; exec sleep 1000"},
		Stdio: []child.Stdio{child.Ignore(), child.Pipe()},
	})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if _, err := p.Pipe(1).Read(make([]byte, 3)); err != nil {
		fmt.Println(err)
		return 1
	}
	text, err := json.Marshal(p.Identity())
	if err != nil {
		return 1
	}
	fmt.Println(string(text))
	return 0
}

// left is a tree without its starter.
func left(t *testing.T) (id child.Identity) {
	t.Helper()
	exit, err := child.ExecFile(soon(t), proctest.Self(), nil, child.ExecOptions{Env: []string{proctest.RoleEnv("leave"), "GORACE=atexit_sleep_ms=0"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(exit.Stdout, &id); err != nil {
		t.Fatalf("%q: %v", exit.Stdout, err)
	}
	return id
}

func TestAdopt(t *testing.T) {
	id := left(t)
	told := make(chan int, 1)
	p, err := child.Adopt(child.Adoption{Identity: id, Status: func(pid int) (child.Exit, bool) {
		told <- pid
		return child.Exit{Code: -1, Signal: syscall.SIGTERM}, true
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if got := p.Identity(); got != id {
		t.Errorf("identity %+v, want %+v", got, id)
	}
	if found, ok := child.FindTree(id.Tree); !ok || found.PID != id.PID || found.Start != id.Start {
		t.Errorf("found %+v, %v; want %+v", found, ok, id)
	}
	exit, err := p.Stop(soon(t), child.StopOptions{})
	if err != nil || exit.Signal != syscall.SIGTERM || <-told != id.PID {
		t.Errorf("%v, %v", exit, err)
	}
	if found, ok := child.FindTree(id.Tree); ok {
		t.Errorf("%+v is left", found)
	}
	if _, err := child.Adopt(child.Adoption{Identity: id}); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("adopted what is gone: %v", err)
	}
}

// A descriptor of the process tells of its end, though nobody says how.
func TestAdoptByDescriptor(t *testing.T) {
	id := left(t)
	first, err := child.Adopt(child.Adoption{Identity: id})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	var file *os.File
	if err := first.Control(func(pidfd int) {
		if fd, err := syscall.Dup(pidfd); err == nil {
			file = os.NewFile(uintptr(fd), "pidfd")
		}
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Stop(soon(t), child.StopOptions{}); err != nil {
		t.Fatal(err)
	}
	p, err := child.Adopt(child.Adoption{Identity: id, FD: file})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if exit, err := p.Wait(soon(t)); err != nil || exit != (child.Exit{Code: -1}) {
		t.Errorf("%v, %v", exit, err)
	}
	if err := p.Sweep(context.Background()); err != nil {
		t.Error(err)
	}
}
