package child_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/ipc"
)

// echo answers each message with itself until the channel closes.
func echo([]string) int {
	fd, err := strconv.Atoi(os.Getenv("NODE_CHANNEL_FD"))
	if err != nil {
		return 1
	}
	conn, err := ipc.NewConn(os.NewFile(uintptr(fd), "channel"), ipc.ConnOptions{})
	if err != nil {
		return 2
	}
	ch := ipc.NewChannel(conn)
	defer ch.Close()
	for m, err := range ch.Messages(context.Background()) {
		if err != nil {
			return 3
		}
		if err := ch.SendRaw(context.Background(), m.Data); err != nil {
			return 4
		}
	}
	return 0
}

// exchange sends a message to a forked child and wants its answer.
func exchange(t *testing.T, p *child.Process, message any, want string) *ipc.Channel {
	t.Helper()
	ch := ipc.NewChannel(p.Conn())
	t.Cleanup(func() { ch.Close() })
	if err := ch.Send(soon(t), message); err != nil {
		t.Fatal(err)
	}
	m, err := ch.Receive(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	var got string
	if err := m.Decode(&got); err != nil || got != want {
		t.Errorf("%s, %v; want %q", m.Data, err, want)
	}
	return ch
}

func TestForkNode(t *testing.T) {
	script := filepath.Join(t.TempDir(), "hello.js")
	const text = `process.on('message', (m) => {
		process.send('hello ' + m + ' ' + process.argv.slice(2) + ' ' + (process.env.NODE_CHANNEL_FD === undefined));
	});
	process.on('disconnect', () => { process.exitCode = 5; });`
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, node := range proctest.Nodes(t) {
		t.Run(node.Name(), func(t *testing.T) {
			p, err := child.Fork(script, []string{"a", "b"}, child.ForkOptions{Interpreter: node.Path})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			ch := exchange(t, p, "world", "hello world a,b true")
			if err := ch.Close(); err != nil {
				t.Error(err)
			}
			if exit, err := p.Wait(soon(t)); err != nil || exit.Code != 5 {
				t.Errorf("%v, %v", exit, err)
			}
		})
	}
}

func TestForkGo(t *testing.T) {
	p, err := child.Fork(proctest.Self(), nil, child.ForkOptions{
		Env: append(os.Environ(), proctest.RoleEnv("echo")), Silent: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ch := exchange(t, p, "ping", "ping")
	if err := ch.Close(); err != nil {
		t.Error(err)
	}
	if exit, err := p.Wait(soon(t)); err != nil || exit.Code != 0 {
		t.Errorf("%v, %v", exit, err)
	}
}

// A killed child is an error on its channel, not a hang.
func TestForkKilled(t *testing.T) {
	p, err := child.Fork(proctest.Self(), nil, child.ForkOptions{Env: append(os.Environ(), proctest.RoleEnv("echo"))})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ch := exchange(t, p, "ping", "ping")
	if _, err := p.Stop(soon(t), child.StopOptions{}); err != nil {
		t.Fatal(err)
	}
	if m, err := ch.Receive(soon(t)); err == nil {
		t.Errorf("received %s", m.Data)
	}
}

func TestForkWithoutInterpreter(t *testing.T) {
	_, err := child.Fork("app.js", nil, child.ForkOptions{Env: []string{"PATH=/nowhere"}})
	if err == nil || !strings.Contains(err.Error(), "spawn node: no such program in PATH") {
		t.Errorf("%v", err)
	}
}
