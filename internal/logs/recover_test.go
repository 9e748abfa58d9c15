package logs

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/internal/sys"
)

// targetsOf are the streams of the test: two that share a file, one with stamps, one
// that says NUL bytes and long lines.
func targetsOf(dir string) []Target {
	return []Target{
		{App: "a", ID: 0, Name: "out", Path: filepath.Join(dir, "merged.log")},
		{App: "a", ID: 0, Name: "err", Path: filepath.Join(dir, "merged.log")},
		{App: "b", ID: 1, Name: "out", Path: filepath.Join(dir, "stamped.log"), Stamp: "HH:mm:ss.SSS"},
		{App: "c", ID: 2, Name: "out", Path: filepath.Join(dir, "long.log")},
	}
}

// reader is a daemon: it reads the pipes 4 to 7 with the buffer 3 into args[0], and
// dies at the step args[1], the args[2]-th time; without one it ends with the pipes.
func reader(args []string) int {
	times, _ := strconv.Atoi(args[2])
	var n atomic.Int64
	reached = func(step string, fd int, out []byte) {
		if step != args[1] && !(args[1] == "half written" && step == "to write") {
			return
		}
		if n.Add(1) < int64(times) {
			return
		}
		if args[1] == "half written" {
			syscall.Write(fd, out[:len(out)/2])
		}
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	s := NewStore(Options{Dir: args[0], Buffer: os.NewFile(3, "buffer"), OnError: func(err error) { fmt.Fprintln(os.Stderr, err) }})
	var pipes []*Pipe
	for i, target := range targetsOf(args[0]) {
		st, err := s.Open(target)
		if err != nil {
			return 1
		}
		p, err := st.Adopt(os.NewFile(uintptr(4+i), "pipe"), nil, Unfinished{})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		pipes = append(pipes, p)
	}
	s.Settle()
	for _, p := range pipes {
		<-p.Done()
	}
	if s.Stop(context.Background()) != nil {
		return 1
	}
	return 0
}

// scribble writes numbered lines until told to end, some of them in two pieces. It
// goes as fast as its pipe is emptied: where that fills up, a line is cut.
func scribble(w *os.File, name string, line func(i int) string, end <-chan struct{}) (n int) {
	defer w.Close()
	for i := 0; ; i++ {
		select {
		case <-end:
			return i
		default:
		}
		text := fmt.Sprintf("%s %d %s", name, i, line(i))
		if cut := len(text) / 2; i%3 == 0 {
			w.WriteString(text[:cut])
			text = text[cut:]
		}
		if _, err := w.WriteString(text + "\n"); err != nil {
			return i
		}
	}
}

// Wherever a daemon dies, the next one loses, tears and doubles no line.
func TestLinesOutliveTheirReader(t *testing.T) {
	dir := t.TempDir()
	buffer, err := NewBuffer()
	if err != nil {
		t.Fatal(err)
	}
	defer buffer.Close()
	files, end := []*os.File{buffer}, make(chan struct{})
	counts := make([]int, 4)
	var wg sync.WaitGroup
	long := strings.Repeat("long", 40<<10)
	for i, line := range []func(int) string{
		func(int) string { return "to the end" }, func(int) string { return "to the end" }, func(int) string { return "to the end" },
		func(i int) string { return string([]byte{0, 255, 0}) + long[:(i*7919)%len(long)] },
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if i < 3 { // the long lines have one of the usual size
			if err := sys.GrowPipe(int(w.Fd()), os.Getpagesize()); err != nil {
				t.Fatal(err)
			}
		}
		files = append(files, r)
		wg.Go(func() { counts[i] = scribble(w, fmt.Sprint("writer", i), line, end) })
	}
	round := func(step string, n int) *os.ProcessState {
		cmd := proctest.Command("reader", dir, step, strconv.Itoa(n))
		cmd.ExtraFiles = files
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		cmd.Run()
		if out.Len() > 0 {
			t.Errorf("reader: %s", &out)
		}
		return cmd.ProcessState
	}
	rounds := 8
	if testing.Short() {
		rounds = 2
	}
	for range rounds {
		for _, step := range []string{"to read", "read", "held", "to write", "half written", "written"} {
			if st := round(step, 1+rand.IntN(20)); st.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the reader did not die at %q: %v", step, st)
			}
		}
	}
	close(end)
	if st := round("none", 0); !st.Success() { // it ends with the writers
		t.Fatalf("the last reader: %v", st)
	}
	wg.Wait()
	for i, name := range []string{"merged.log", "merged.log", "stamped.log", "long.log"} {
		checkNumbers(t, filepath.Join(dir, name), fmt.Sprint("writer", i), counts[i])
	}
}

// checkNumbers holds the lines of a writer in a file to be all there, whole, once
// and in order.
func checkNumbers(t *testing.T, path, name string, count int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	for n, line := range bytes.Split(text, []byte("\n")) {
		at := bytes.Index(line, []byte("writer"))
		if at < 0 {
			if len(line) > 0 {
				t.Errorf("%s:%d is torn: %.60q", path, n+1, line)
			}
			continue
		}
		if !bytes.HasPrefix(line[at:], []byte(name+" ")) {
			continue
		}
		if want := fmt.Sprintf("%s %d ", name, next); !bytes.HasPrefix(line[at:], []byte(want)) {
			t.Fatalf("%s:%d is %.60q, want %q", path, n+1, line, want)
		}
		if bytes.HasSuffix([]byte(name), []byte("3")) == bytes.HasSuffix(line, []byte(" to the end")) || bytes.Count(line, []byte("writer")) > 1 {
			t.Fatalf("%s:%d is torn: %.60q … %q", path, n+1, line, line[max(0, len(line)-20):])
		}
		next++
	}
	if next != count || count == 0 {
		t.Errorf("%s: %d lines of %s, want %d", path, next, name, count)
	}
}
