package child_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/child"
)

func TestTree(t *testing.T) {
	p := spawn(t, shell(`(setsid sh -c 'echo up; exec sleep 1000' & ) ; sh -c 'echo up; sleep 1000; exit' & sleep 1000; exit`, nil))
	lines(t, p, 2)
	const want = "sh sh sleep sleep sleep"
	var got string
	// They become sleeps by themselves.
	for deadline := time.Now().Add(30 * time.Second); got != want && time.Now().Before(deadline); {
		tree, err := p.Tree()
		if err != nil {
			t.Fatal(err)
		}
		if len(tree) == 0 || tree[0].PID != p.PID() || tree[0].PPID != os.Getpid() || tree[0].Start != p.Identity().Start {
			t.Fatalf("it does not begin with the process %d itself: %+v", p.PID(), tree)
		}
		var names []string
		for _, m := range tree {
			names = append(names, m.Name)
		}
		slices.Sort(names)
		got = strings.Join(names, " ")
	}
	if got != want {
		t.Errorf("the tree is %s", got)
	}
	if _, err := p.Stop(soon(t), child.StopOptions{}); err != nil {
		t.Fatal(err)
	}
	if tree, err := p.Tree(); err != nil || len(tree) != 0 {
		t.Errorf("%v, %v after the end", tree, err)
	}
}

// By name, each with its tree, and nobody of another name.
func TestStopNamed(t *testing.T) {
	name := "tend-named-" + strconv.Itoa(os.Getpid())
	h := newHolders(t)
	var all []*child.Process
	for range 2 {
		cmd := shell(`setsid sh -c '(sleep 1000 &) ; echo up; exec sleep 1000' & sleep 1000; exit`, h.w)
		cmd.Argv0 = name
		p := spawn(t, cmd)
		lines(t, p, 1)
		all = append(all, p)
	}
	other := spawn(t, child.Command{Path: "/bin/sleep", Args: []string{"1000"}, Argv0: name + "-other"})

	found, err := child.Find(name)
	if err != nil || len(found) != 2 {
		t.Fatalf("found %v, %v", found, err)
	}
	for _, p := range all {
		if !slices.ContainsFunc(found, func(id child.Identity) bool { return id.PID == p.PID() && id.Start == p.Identity().Start }) {
			t.Errorf("%d is not among %v", p.PID(), found)
		}
	}
	ended, err := child.StopNamed(soon(t), name, child.StopOptions{Grace: time.Minute, Tree: true})
	if err != nil || len(ended) != 2 {
		t.Errorf("ended %v, %v", ended, err)
	}
	h.gone(t)
	for _, p := range all {
		// By the signal, or since its last child was told first: but this is who is
		// told of it.
		if exit, err := p.Wait(soon(t)); err != nil || exit.Signal != syscall.SIGTERM && exit.Code <= 0 {
			t.Errorf("%v, %v", exit, err)
		}
	}
	if err := other.Signal(0); err != nil {
		t.Errorf("another name: %v", err)
	}
	if ended, err := child.StopNamed(soon(t), name, child.StopOptions{}); err != nil || len(ended) != 0 {
		t.Errorf("the second time: %v, %v", ended, err)
	}
	// This process has a name too, and is not found.
	if found, err := child.Find(os.Args[0]); err != nil || slices.ContainsFunc(found, func(id child.Identity) bool { return id.PID == os.Getpid() }) {
		t.Errorf("itself: %v, %v", found, err)
	}
}

func TestRun(t *testing.T) {
	exit, err := child.Run(soon(t), child.Command{Path: "/bin/sh", Args: []string{"-c", "exit 6"}}, child.StopOptions{})
	if err != nil || exit.Code != 6 {
		t.Errorf("%v, %v", exit, err)
	}
	h := newHolders(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := shell(`trap 'exit 9' INT; (setsid sleep 1000 &) ; echo up; while :; do sleep 0.01; done`, h.w)
	cmd.Stdio[1] = child.File(w)
	ctx, cancel := context.WithCancelCause(soon(t))
	enough := errors.New("enough")
	go func() {
		defer cancel(enough)
		if _, err := r.Read(make([]byte, 3)); err != nil {
			t.Error(err)
		}
	}()
	exit, err = child.Run(ctx, cmd, child.StopOptions{Signal: syscall.SIGINT, Grace: time.Minute})
	w.Close()
	if !errors.Is(err, enough) || exit.Code != 9 {
		t.Errorf("%v, %v", exit, err)
	}
	h.gone(t)
	if _, err := child.Run(ctx, cmd, child.StopOptions{}); !errors.Is(err, enough) {
		t.Errorf("started with a ctx that is done: %v", err)
	}
}
