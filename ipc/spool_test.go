package ipc

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/internal/sys"
)

// shelf keeps frames as a keeper does: duplicates of the files.
type shelf struct {
	t    *testing.T
	kept *os.File
	fail bool
}

func (s *shelf) Keep(f *os.File) error {
	if s.fail {
		return errors.New("no room")
	}
	dup, err := sys.DupFile(f)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Drop()
	s.kept = dup
	return nil
}

func (s *shelf) Drop() {
	if s.kept != nil {
		s.kept.Close()
		s.kept = nil
	}
}

func (s *shelf) give() *os.File {
	f := s.kept
	s.kept = nil
	return f
}

// A sender may die between any two pieces of a long frame: the next one goes on
// where it was, and the peer notices nothing.
func TestSpool(t *testing.T) {
	first, peer := pair(t, ConnOptions{})
	fd, err := sys.Dup(first.Fd())
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	keep := &shelf{t: t}
	held := os.NewFile(uintptr(fd), "held")
	long := `{"long":"` + strings.Repeat("x", 3<<20) + `"}` + "\n"
	want := "1\n" + long + "2\n3\n"
	got := make(chan string, 1)
	sent, pieces := 0, 0
	for generation := 0; ; generation++ {
		dup, err := sys.DupFile(held)
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewConn(dup, ConnOptions{Spool: keep, Unsent: keep.give()})
		if err != nil {
			t.Fatal(err)
		}
		if generation == 0 {
			for _, frame := range []string{"1\n", long} {
				if err := c.Send([]byte(frame), -1); err != nil {
					t.Fatal(err)
				}
			}
			go func() {
				text := make([]byte, len(want))
				io.ReadFull(peer, text)
				got <- string(text)
			}()
		}
		// Dies after each look at the socket: its memory is gone, and what is kept stays.
		pending, err := c.Flush()
		if err != nil {
			t.Fatal(err)
		}
		pieces++
		if !pending {
			if keep.kept != nil {
				t.Error("what is sent is still kept")
			}
			for _, frame := range []string{"2\n", "3\n"} {
				if err := c.Send([]byte(frame), -1); err != nil {
					t.Fatal(err)
				}
				sent++
			}
			c.Close()
			break
		}
		die(c)
	}
	held.Close()
	if text := <-got; text != want {
		t.Errorf("after %d pieces the peer has %d bytes, not %d as sent", pieces, len(text), len(want))
	}
	if pieces < 3 {
		t.Errorf("it went in %d pieces", pieces)
	}
}

// die ends a Conn as a SIGKILL does: nothing is told to anybody.
func die(c *Conn) {
	c.options.Spool = nil
	c.Close()
}

// Without a place for it a long frame goes as ever; with a handle it does not go at all.
func TestSpoolRefused(t *testing.T) {
	c, peer := pair(t, ConnOptions{Spool: &shelf{t: t, fail: true}})
	long := `"` + strings.Repeat("x", 100<<10) + `"` + "\n"
	if err := c.Send([]byte(long), -1); err != nil {
		t.Fatal(err)
	}
	text := make([]byte, len(long))
	if _, err := io.ReadFull(peer, text); err != nil || string(text) != long {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	l := tcpListener(t)
	h, err := NewHandle(l)
	if err != nil {
		t.Fatal(err)
	}
	frame, err := c.AppendFrame(nil, []byte(long[:len(long)-1]), h)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(frame, fdOf(t, h)); !errors.Is(err, ErrTooLong) {
		t.Errorf("a long frame with a handle: %v", err)
	}
}

// A Node child dies of half a frame, and does not notice one that another process ends.
func TestNodeSpool(t *testing.T) {
	for _, node := range proctest.Nodes(t) {
		for _, spooled := range []bool{true, false} {
			t.Run(node.Name(), func(t *testing.T) { nodeSpool(t, node, spooled) })
		}
	}
}

func nodeSpool(t *testing.T, node proctest.Node, spooled bool) {
	ours, theirs, err := sys.Socketpair("node")
	if err != nil {
		t.Fatal(err)
	}
	// It reads nothing until it is told to on its standard input.
	cmd := exec.Command(node.Path, "-e", `
		require('fs').readSync(0, Buffer.alloc(1));
		let n = 0;
		process.on('message', (m) => { n++; if (m === 'bye') { process.send(n); process.disconnect(); } });`)
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Env = append(os.Environ(), "NODE_CHANNEL_FD=3")
	if spooled {
		cmd.Stderr = os.Stderr
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	held, err := sys.DupFile(ours)
	if err != nil {
		t.Fatal(err)
	}
	o := ConnOptions{}
	keep := &shelf{t: t}
	if spooled {
		o.Spool = keep
	}
	c, err := NewConn(ours, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send([]byte(`{"long":"`+strings.Repeat("x", 1<<20)+`"}`+"\n"), -1); err != nil {
		t.Fatal(err)
	}
	if c.Queued() == 0 {
		t.Fatal("all of it went at once")
	}
	die(c)
	o.Unsent = keep.give()
	next, err := NewConn(held, o)
	if err != nil {
		t.Fatal(err)
	}
	ch := NewChannel(next)
	defer ch.Close()
	stdin.Close()
	err = ch.Send(nodeDeadline(t), "bye")
	m, rerr := ch.Receive(nodeDeadline(t))
	werr := cmd.Wait()
	if spooled && (err != nil || rerr != nil || werr != nil || string(m.Data) != "2") {
		t.Errorf("%v, %v, %v; it heard %s messages", err, rerr, werr, m.Data)
	}
	if !spooled && werr == nil {
		t.Errorf("it lives with half a frame: %s", m.Data)
	}
}
