package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/ipc"
)

// TestChannels tries messages and sockets between Go and each runtime.
func TestChannels(t *testing.T) {
	gate := make(chan struct{}, 4)
	for _, r := range runtimes(t) {
		for _, s := range []ipc.Serialization{ipc.JSON, ipc.Advanced} {
			for _, part := range []string{below, above} {
				t.Run(part+" "+r.column+"/"+s.String(), func(t *testing.T) {
					t.Parallel()
					gate <- struct{}{}
					defer func() { <-gate }()
					pairing{r, s, part}.tasks(t)
				})
			}
		}
	}
}

// pairing is Go and one runtime.
type pairing struct {
	runtime
	serialization ipc.Serialization
	part          string // below or above
}

// tasks tries all: what should work on one channel, and what should not each on
// one of its own, for it may be the end of it.
func (p pairing) tasks(t *testing.T) {
	cells := map[string]cell{messages: {p.part, p.serialization.String(), p.column}}
	order := []string{messages}
	for _, k := range kinds {
		for _, direction := range []string{"to", "from"} {
			task := direction + " " + k.String()
			cells[task] = cell{map[string]string{"to": to, "from": from}[direction], k.String(), p.column}
			order = append(order, task)
		}
	}
	if why, _ := limited(cells[messages]); why != "" { // then nothing else can go
		check(t, cells[messages], p.run(t, messages)[messages])
		return
	}
	var works []string
	for _, task := range order {
		if why, _ := limited(cells[task]); why == "" {
			works = append(works, task)
		} else if p.serialization == ipc.JSON && p.part == below {
			check(t, cells[task], p.run(t, task)[task])
		}
	}
	for task, failure := range p.run(t, works...) {
		check(t, cells[task], failure)
	}
}

// run does the tasks with new processes.
func (p pairing) run(t *testing.T, tasks ...string) map[string]string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if p.part == above && p.column != "Go" {
		return p.goBelow(ctx, t, tasks)
	}
	cmd := child.Command{Path: p.program, Args: []string{script(t, "peer.js")}}
	if p.column == "Go" {
		cmd = child.Command{Path: proctest.Self(), Env: append(os.Environ(), proctest.RoleEnv("peer"))}
	}
	stderr := child.Inherit(2)
	if len(tasks) == 1 { // it may die, and say why at length
		stderr = child.Ignore()
	}
	o := ipc.ConnOptions{Serialization: p.serialization, Node: ipc.Latest}
	cmd.Stdio = []child.Stdio{child.Ignore(), child.Inherit(2), stderr, child.IPCWith(o)}
	proc, err := child.Start(cmd)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer proc.Close()
	ch := ipc.NewChannel(proc.Conn())
	got := drive(ctx, ch, tasks)
	if err := ch.Disconnect(ctx); err != nil && len(tasks) > 1 {
		t.Errorf("%s: disconnect: %v", p.column, err)
	}
	exit, err := proc.Wait(ctx)
	if err != nil || len(tasks) > 1 && exit.Code != 0 {
		t.Errorf("%s ended with %v, %v", p.column, exit, err)
	}
	return got
}

// goBelow is run with the Go end as the child.
func (p pairing) goBelow(ctx context.Context, t *testing.T, tasks []string) (got map[string]string) {
	args := append([]string{script(t, "peer.js"), "parent", proctest.Self(), p.serialization.String()}, tasks...)
	out, err := child.ExecFile(ctx, p.program, args, child.ExecOptions{Env: append(os.Environ(), proctest.RoleEnv("driver"))})
	if json.Unmarshal(firstLine(out.Stdout), &got) != nil {
		got = map[string]string{}
		for _, task := range tasks {
			got[task] = fmt.Sprintf("the child said %q, %q, %v", out.Stdout, out.Stderr, err)
		}
	}
	return got
}

func firstLine(out []byte) []byte {
	line, _, _ := bytes.Cut(out, []byte("\n"))
	return line
}

func script(t *testing.T, name string) string {
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}
