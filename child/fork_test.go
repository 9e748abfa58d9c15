package child_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
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

func TestForkInterpreterOfAnyFile(t *testing.T) {
	script := filepath.Join(t.TempDir(), "answer")
	if err := os.WriteFile(script, []byte(`[ "$1" = 42 ]`), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := child.Fork(script, []string{"42"}, child.ForkOptions{Interpreter: "sh"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if exit, err := p.Wait(soon(t)); err != nil || exit.Code != 0 {
		t.Errorf("%v, %v", exit, err)
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
	for path, want := range map[string]string{
		"app.js":  "spawn app.js: no interpreter for it in PATH: looked for node, bun, deno",
		"app.ts":  "spawn app.ts: no interpreter for it in PATH: looked for bun, node, deno",
		"app.tsx": "spawn app.tsx: no interpreter for it in PATH: looked for bun, deno",
	} {
		_, err := child.Fork(path, nil, child.ForkOptions{Env: []string{"PATH=/nowhere"}})
		if serr, ok := errors.AsType[*child.StartError](err); !ok || serr.Fault != child.BadProgram || err.Error() != want {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A script is given to the first interpreter of its language that there is.
func TestForkFindsTheInterpreter(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"node", "bun", "deno"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho \"${0##*/} $*\"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	said := func(path string, o child.ForkOptions) string {
		t.Helper()
		o.Silent, o.Env = true, []string{"PATH=" + dir}
		p, err := child.Fork(path, []string{"-x"}, o)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		out, err := io.ReadAll(p.Pipe(1))
		if err != nil {
			t.Fatal(err)
		}
		if exit, err := p.Wait(soon(t)); err != nil || exit.Code != 0 {
			t.Errorf("%v, %v", exit, err)
		}
		return string(out)
	}
	check := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("it ran %q, want %q", got, want)
		}
	}
	check(said("a.js", child.ForkOptions{}), "node a.js -x\n")
	check(said("a.mts", child.ForkOptions{}), "bun a.mts -x\n")
	check(said("a.tsx", child.ForkOptions{}), "bun a.tsx -x\n")
	check(said("a.ts", child.ForkOptions{Interpreter: "node", InterpreterArgs: []string{"-r", "b"}}), "node -r b a.ts -x\n")
	check(said("a.ts", child.ForkOptions{Interpreter: "deno"}), "deno run -A a.ts -x\n")
	check(said("a.ts", child.ForkOptions{Interpreter: "deno", InterpreterArgs: []string{"run"}}), "deno run a.ts -x\n")
	if err := os.Remove(filepath.Join(dir, "bun")); err != nil {
		t.Fatal(err)
	}
	check(said("a.ts", child.ForkOptions{}), "node a.ts -x\n")
	if err := os.Remove(filepath.Join(dir, "node")); err != nil {
		t.Fatal(err)
	}
	check(said("a.cjs", child.ForkOptions{}), "deno run -A a.cjs -x\n")
}

// TypeScript with what runs it, over the channel.
func TestForkTypeScript(t *testing.T) {
	script := filepath.Join(t.TempDir(), "hello.ts")
	const text = `process.on('message', (m: string) => { process.send!('hello ' + m + ' ' + process.argv.slice(2)); });
	process.on('disconnect', (): void => { process.exit(5); });`
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, find := range map[string]func(*testing.T) string{
		"bun":  func(t *testing.T) string { return proctest.Bun(t) },
		"deno": func(t *testing.T) string { return proctest.Deno(t) },
		"node": func(t *testing.T) string { return proctest.NodeFrom(t, 22).Path }, // earlier ones know no TypeScript
	} {
		t.Run(name, func(t *testing.T) {
			p, err := child.Fork(script, []string{"a", "b"}, child.ForkOptions{Interpreter: find(t)})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			ch := exchange(t, p, "world", "hello world a,b")
			if err := ch.Close(); err != nil {
				t.Error(err)
			}
			if exit, err := p.Wait(soon(t)); err != nil || exit.Code != 5 {
				t.Errorf("%v, %v", exit, err)
			}
		})
	}
}

// self answers a message with its role, then with that of what it starts, then with
// why it may not fork itself before it has asked for its role.
func self(args []string) int {
	_, early := child.ForkSelf("bomb", nil, child.ForkOptions{})
	first, again := child.Role(), child.Role()
	inner, _ := child.Exec(context.Background(), "echo $TEND_ROLE", child.ExecOptions{})
	conn, err := ipc.NewConn(os.NewFile(3, "channel"), ipc.ConnOptions{})
	if err != nil {
		return 2
	}
	ch := ipc.NewChannel(conn)
	defer ch.Close()
	if _, err := ch.Receive(context.Background()); err != nil {
		return 3
	}
	if err := ch.Send(context.Background(), fmt.Sprintf("%s %s %q %s %v", first, again, args, inner.Stdout, early)); err != nil {
		return 4
	}
	return 0
}

func TestForkSelf(t *testing.T) {
	p, err := child.ForkSelf("resizer", []string{"a b"}, child.ForkOptions{Env: append(os.Environ(), proctest.RoleEnv("self"))})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	exchange(t, p, "who", `resizer resizer ["a b"] `+"\n"+
		` spawn /proc/self/exe: role bomb: this process was itself forked for a role: its main must ask child.Role first`)
	if exit, err := p.Wait(soon(t)); err != nil || exit.Code != 0 {
		t.Errorf("%v, %v", exit, err)
	}
	if role := child.Role(); role != "" {
		t.Errorf("the test has the role %q", role)
	}
}
