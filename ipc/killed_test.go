package ipc

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/internal/sys"
)

// numbered is a message of TestKilledReader.
type numbered struct {
	N    int
	Text string
}

// killedReader reads messages, and says each one's number and length, until it is
// killed or the channel ends. 3 is the channel, 4 a socket to who keeps its memory,
// 5 what a former one left there.
func killedReader(args []string) int {
	keeper, err := net.FileConn(os.NewFile(4, "keeper"))
	if err != nil {
		return 1
	}
	o := ConnOptions{Reading: remoteShelf{keeper.(*net.UnixConn)}, Resumed: true}
	if len(args) > 0 {
		o.Unread = os.NewFile(5, "unread")
	}
	c, err := NewConn(os.NewFile(3, "channel"), o)
	if err != nil {
		return 2
	}
	file, err := c.park()
	if err != nil {
		return 3
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return 4
	}
	raw.Read(func(uintptr) bool {
		err = c.Read(func(f *Frame) error {
			var m numbered
			if err := json.Unmarshal(f.Data, &m); err != nil {
				return err
			}
			_, err := fmt.Println(m.N, len(m.Text))
			return err
		})
		return err != nil
	})
	if err != io.EOF {
		fmt.Fprintln(os.Stderr, "reader:", err)
		return 5
	}
	return 0
}

// remoteShelf is a Spool in another process.
type remoteShelf struct{ *net.UnixConn }

func (s remoteShelf) Keep(f *os.File) error {
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { _, inner = sys.Send(int(fd), []byte{1}, int(f.Fd())) }); err != nil || inner != nil {
		return fmt.Errorf("keep: %v, %v", err, inner)
	}
	_, err = io.ReadFull(s, make([]byte, 1))
	return err
}

func (s remoteShelf) Drop() {}

// TestKilledReader kills the reader of long messages with SIGKILL at random moments:
// each comes, in order, and some that were being handled come twice.
func TestKilledReader(t *testing.T) {
	ours, theirs, err := sys.Socketpair("killed")
	if err != nil {
		t.Fatal(err)
	}
	keeperEnd, readerEnd, err := sys.Socketpair("shelf")
	if err != nil {
		t.Fatal(err)
	}
	s := succession{t: t, channel: ours, keeper: readerEnd, keep: &shelf{t: t}}
	var keeping sync.WaitGroup
	keeping.Go(func() { s.serve(keeperEnd) })
	s.start()
	r := rand.New(rand.NewPCG(1, 2))
	var lengths []int
	for n := range 80 {
		lengths = append(lengths, 1<<r.IntN(20)+r.IntN(1000))
		line, err := json.Marshal(numbered{n, strings.Repeat("x", lengths[n])})
		if err != nil {
			t.Fatal(err)
		}
		line = append(line, '\n')
		for cut := r.IntN(len(line)); n%3 == 0 && len(line) > 0; cut = 1 + r.IntN(len(line)) {
			s.write(theirs, line[:cut])
			s.kill()
			s.start()
			if line = line[cut:]; len(line) < 1000 {
				break
			}
		}
		s.write(theirs, line)
	}
	theirs.Close()
	s.end()
	readerEnd.Close()
	keeping.Wait()
	ours.Close()
	s.keep.Drop()
	s.check(lengths)
}

// succession is readers of one channel, one after the other.
type succession struct {
	t       *testing.T
	channel *os.File
	keeper  *os.File // a reader's end of the socket to who keeps its memory
	cmd     *exec.Cmd
	out     io.Reader
	said    []string // by each

	mu   sync.Mutex // guards keep
	keep *shelf
}

func (s *succession) start() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	files := []*os.File{s.channel, s.keeper}
	var args []string
	if s.keep.kept != nil {
		files, args = append(files, s.keep.kept), []string{"unread"}
	}
	s.cmd = proctest.Command("killed reader", args...)
	s.cmd.ExtraFiles = files
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		s.out = out
		err = s.cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *succession) kill() {
	s.cmd.Process.Kill()
	s.hear()
	s.cmd.Wait()
}

func (s *succession) end() {
	s.hear()
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("the last reader: %v", err)
	}
}

func (s *succession) hear() {
	said, err := io.ReadAll(s.out)
	if err != nil {
		s.t.Error(err)
	}
	s.said = append(s.said, string(said))
}

func (s *succession) write(peer *os.File, data []byte) {
	s.t.Helper()
	if _, err := peer.Write(data); err != nil {
		s.t.Fatal(err)
	}
}

// serve keeps what the readers send.
func (s *succession) serve(f *os.File) {
	c, err := net.FileConn(f)
	f.Close()
	if err != nil {
		s.t.Error(err)
		return
	}
	defer c.Close()
	oob := make([]byte, 64)
	for {
		n, oobn, _, _, err := c.(*net.UnixConn).ReadMsgUnix(make([]byte, 1), oob)
		if err != nil || n == 0 {
			return
		}
		msgs, err := syscall.ParseSocketControlMessage(oob[:oobn])
		if err != nil || len(msgs) != 1 {
			s.t.Error(err, len(msgs))
			return
		}
		fds, err := syscall.ParseUnixRights(&msgs[0])
		if err != nil || len(fds) != 1 {
			s.t.Error(err, fds)
			return
		}
		s.mu.Lock()
		kept := os.NewFile(uintptr(fds[0]), "kept")
		s.keep.Keep(kept)
		kept.Close()
		s.mu.Unlock()
		c.Write([]byte{1})
	}
}

// check wants each message, whole and in order. Some come twice, where one reader was
// killed before it had consumed what it handled: at the beginning of the next, and no
// more than one look at the socket finds.
func (s *succession) check(lengths []int) {
	next, twice := 0, 0
	for _, said := range s.said {
		first := true
		for line := range strings.Lines(said) {
			var n, length int
			if _, err := fmt.Sscan(line, &n, &length); err != nil || n >= len(lengths) || length != lengths[n] {
				s.t.Fatalf("%q is none of the messages", line)
			}
			if again := next - n; first && again > 0 && (again == 1 || sum(lengths[n:next]) < peekSize) {
				next, twice = n, twice+again
			}
			if n != next {
				s.t.Fatalf("message %d came, and %d before it", n, next-1)
			}
			next, first = n+1, false
		}
	}
	if next != len(lengths) {
		s.t.Errorf("%d messages of %d came", next, len(lengths))
	}
	s.t.Logf("%d readers, %d messages, %d of them twice", len(s.said), next, twice)
}

func sum(list []int) (total int) {
	for _, n := range list {
		total += n
	}
	return total
}
