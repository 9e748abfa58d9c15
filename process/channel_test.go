package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/ipc"
)

func TestMain(m *testing.M) {
	proctest.Main(m,
		proctest.Role{Name: "child", Run: child},
		proctest.Role{Name: "titled", Run: titled},
		proctest.Role{Name: "life", Run: live},
	)
}

// child is a Go program under a Node parent.
func child(args []string) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ch, err := Channel()
	if err == nil {
		err = serve(ctx, ch, args)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	return 0
}

func serve(ctx context.Context, ch *ipc.Channel, args []string) error {
	// What this process starts has no part in the channel.
	orphan := exec.Command("/bin/sh", "-c", "ls -l /proc/self/fd | grep -c socket; env | grep -c NODE_CHANNEL; true")
	out, err := orphan.Output()
	if err != nil {
		return err
	}
	hello := map[string]any{"args": args, "inherited": strings.Fields(string(out)), "next": true}
	if err := ch.Send(ctx, hello); err != nil {
		return err
	}
	for m, err := range ch.Messages(ctx) {
		if err != nil {
			return err
		}
		var text string
		if m.Decode(&text) == nil && text == "bye" {
			return ch.Disconnect(ctx)
		}
		if err := answer(ctx, ch, m, text); err != nil {
			return err
		}
	}
	return nil
}

func answer(ctx context.Context, ch *ipc.Channel, m ipc.Message, text string) error {
	if m.Handle == nil {
		var v any
		if err := m.Decode(&v); err != nil {
			return err
		}
		if len(text) > 1000 {
			v = len(text)
		}
		return ch.Send(ctx, map[string]any{"echo": v, "next": true})
	}
	typ := m.Handle.Type
	if typ == ipc.NetSocket {
		conn, err := m.Handle.Conn()
		if err != nil {
			return err
		}
		fmt.Fprint(conn, "from Go")
		// Node counts: the server there closes when this connection has.
		if err := ch.Send(ctx, map[string]any{"took": typ, "next": true}); err != nil {
			return err
		}
		return conn.Close()
	}
	m.Handle.Close()
	if err := sendOwn(ctx, ch, typ); err != nil {
		return err
	}
	return ch.Send(ctx, map[string]any{"took": typ, "next": true})
}

// sendOwn sends a handle of the same type back.
func sendOwn(ctx context.Context, ch *ipc.Channel, typ ipc.HandleType) error {
	var src syscall.Conn
	switch typ {
	case ipc.NetServer:
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		src = l.(*net.TCPListener)
	case ipc.DgramSocket:
		p, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			return err
		}
		src = p.(*net.UDPConn)
	default:
		return fmt.Errorf("handle of type %s", typ)
	}
	h, err := ipc.NewHandle(src)
	if err != nil {
		return err
	}
	defer h.Close()
	return ch.SendHandle(ctx, "own", h, true)
}

func TestUnderNode(t *testing.T) {
	for _, node := range proctest.Nodes(t) {
		for _, mode := range []string{"json", "advanced"} {
			t.Run(node.Name()+"/"+mode, func(t *testing.T) {
				cmd := exec.Command(node.Path, filepath.Join("testdata", "parent.js"), proctest.Self(), mode)
				cmd.Env = append(os.Environ(), proctest.RoleEnv("child"))
				cmd.Stderr = os.Stderr
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				stop := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
				defer stop.Stop()
				seen := map[string]int{}
				for lines := bufio.NewScanner(out); lines.Scan(); {
					seen[canonical(lines.Text())]++
				}
				if err := cmd.Wait(); err != nil {
					t.Errorf("parent: %v", err)
				}
				for _, want := range []string{
					`{"args":["arg"],"inherited":["0","0"],"next":true}`,
					`{"echo":{"é":[1,null,"€"]},"next":true}`,
					`{"echo":1048576,"next":true}`,
					`{"got":"own","handle":"Server"}`, `{"next":true,"took":"net.Server"}`,
					`{"client":"from Go"}`, `{"next":true,"took":"net.Socket"}`, `"all closed"`,
					`{"got":"own","handle":"Socket"}`, `{"next":true,"took":"dgram.Socket"}`,
					`"disconnect"`, `{"exit":0}`, `"close"`,
				} {
					if seen[want] != 1 {
						t.Errorf("%s: %d times", want, seen[want])
					}
				}
				if seen[`{"open":1}`]+seen[`{"open":0}`] != 1 {
					t.Error("the server was not told how many connections are open")
				}
				if t.Failed() {
					t.Log(seen)
				}
			})
		}
	}
}

func canonical(line string) string {
	var v any
	if json.Unmarshal([]byte(line), &v) != nil {
		return line
	}
	text, _ := json.Marshal(v)
	return string(text)
}

func TestOpenBadEnvironment(t *testing.T) {
	if _, err := open("", "json"); !errors.Is(err, ErrNoChannel) {
		t.Errorf("none: %v", err)
	}
	file, err := os.Open("testdata/parent.js")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	regular := fmt.Sprint(file.Fd())
	for _, c := range [][2]string{{"x", ""}, {"-1", ""}, {"99999", ""}, {regular, ""}, {"3", "xml"}} {
		if _, err := open(c[0], c[1]); err == nil || errors.Is(err, ErrNoChannel) {
			t.Errorf("%v: %v", c, err)
		}
	}
	if _, err := file.Stat(); err != nil {
		t.Errorf("a descriptor that is no channel was closed: %v", err)
	}
}

func TestWithoutParent(t *testing.T) {
	if _, err := Channel(); !errors.Is(err, ErrNoChannel) {
		t.Errorf("channel: %v", err)
	}
	if _, err := Conn(); !errors.Is(err, ErrNoChannel) {
		t.Errorf("conn: %v", err)
	}
	if id, ok := WorkerID(); ok {
		t.Errorf("worker %q", id)
	}
}
