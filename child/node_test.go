package child_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/proctest"
)

// scenario is a command and the options that Node's child_process and package child
// both have.
type scenario struct {
	Line       string // for the shell
	File       string // execFile instead, Line being its one argument
	Dir        string
	MaxBuffer  int // less than 0: without bound
	Timeout    time.Duration
	KillSignal string // "SIGTERM" if ""
	Abort      bool   // by signal or context, once the command has said something
}

// outcome is what a parent learns of a command, in words of both.
type outcome struct {
	How    string // "ok", "exit 3", "SIGTERM", "maxBuffer stdout", "timeout", "abort", "missing"
	Ended  string // after a timeout: how the process did
	Stdout int    // bytes
	Stderr int
}

// byNode plays a scenario in Node.
const byNode = `
const { exec, execFile } = require('node:child_process');
const s = JSON.parse(process.argv[1]);
const abort = new AbortController();
const o = { cwd: s.Dir || undefined, timeout: s.Timeout / 1e6, killSignal: s.KillSignal || undefined, signal: abort.signal };
if (s.MaxBuffer) o.maxBuffer = s.MaxBuffer < 0 ? Infinity : s.MaxBuffer;
const end = (err) => err.signal || 'exit ' + err.code;
const done = (err, stdout, stderr) => {
  const result = { How: 'ok', Ended: '', Stdout: Buffer.byteLength(stdout), Stderr: Buffer.byteLength(stderr) };
  if (err?.name === 'AbortError') result.How = 'abort';
  else if (err?.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') result.How = 'maxBuffer ' + err.message.split(' ')[0];
  else if (err?.code === 'ENOENT') result.How = 'missing';
  else if (err?.killed) { result.How = 'timeout'; result.Ended = end(err); }
  else if (err) result.How = end(err);
  process.stdout.write(JSON.stringify(result));
};
const child = s.File ? execFile(s.File, [s.Line], o, done) : exec(s.Line, o, done);
if (s.Abort) child.stdout.once('data', () => abort.abort());
`

func (s scenario) inNode(t *testing.T, node string) (o outcome) {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.ExecFile(soon(t), node, []string{"-e", byNode, string(text)}, child.ExecOptions{})
	if err != nil {
		t.Fatalf("%v\n%s", err, out.Stderr)
	}
	if err := json.Unmarshal(out.Stdout, &o); err != nil {
		t.Fatalf("%q: %v", out.Stdout, err)
	}
	return o
}

func (s scenario) inGo(t *testing.T) (o outcome) {
	t.Helper()
	ctx, cancel := context.WithCancel(soon(t))
	defer cancel()
	options := child.ExecOptions{Dir: s.Dir, MaxBuffer: s.MaxBuffer, Timeout: s.Timeout}
	if s.KillSignal == "" {
		options.Stop = child.StopOptions{Signal: syscall.SIGTERM, Grace: time.Minute}
	}
	if s.Abort {
		path, said := fifo(t)
		options.Env = append(os.Environ(), "SAID=echo said >"+path)
		go func() {
			<-said
			cancel()
		}()
	}
	var out child.Output
	var err error
	if s.File == "" {
		out, err = child.Exec(ctx, s.Line, options)
	} else {
		out, err = child.ExecFile(ctx, s.File, []string{s.Line}, options)
	}
	o = outcome{How: "ok", Stdout: len(out.Stdout), Stderr: len(out.Stderr)}
	over, isOver := errors.AsType[*child.MaxBufferError](err)
	exit, isExit := errors.AsType[*child.ExitError](err)
	switch {
	case isOver:
		o.How = "maxBuffer " + over.Stream
	case isExit:
		o.How = exit.Exit.String()
	case errors.Is(err, context.Canceled):
		o.How = "abort"
	case errors.Is(err, context.DeadlineExceeded):
		o.How, o.Ended = "timeout", out.Exit.String()
	case errors.Is(err, fs.ErrNotExist):
		o.How = "missing"
	case err != nil:
		t.Error(err)
	}
	return o
}

// fifo makes a named pipe; said is closed when something was written to it.
func fifo(t *testing.T) (path string, said <-chan struct{}) {
	t.Helper()
	path = t.TempDir() + "/fifo"
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = f.Read(make([]byte, 1)) // or it is closed
	}()
	return path, done
}

// What a parent learns of a command is what Node's exec and execFile tell.
func TestExecLikeNode(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts Node some twenty times")
	}
	scenarios := map[string]scenario{
		"success":                 {Line: `echo out; echo error >&2`},
		"exit status":             {Line: `echo why >&2; exit 3`},
		"signal":                  {Line: `kill -TERM $$`},
		"unknown to the shell":    {Line: `no-such-program 2>/dev/null`},
		"no such program":         {File: "no-such-program"},
		"no such folder":          {Line: `pwd`, Dir: "/no/such/folder"},
		"no shell":                {File: "echo", Line: `$HOME; exit 1`},
		"1 MiB":                   {Line: `head -c 1048576 /dev/zero`},
		"more than 1 MiB":         {Line: `head -c 1048577 /dev/zero`},
		"without end":             {Line: `yes`},
		"as much as it may":       {Line: `echo 12345`, MaxBuffer: 6},
		"one more":                {Line: `echo 123456`, MaxBuffer: 6},
		"on standard error":       {Line: `yes >&2`, MaxBuffer: 1000},
		"unbounded":               {Line: `head -c 3000000 /dev/zero`, MaxBuffer: -1},
		"timeout":                 {Line: `exec sleep 1000`, Timeout: 300 * time.Millisecond},
		"timeout, kill":           {Line: `exec sleep 1000`, Timeout: 300 * time.Millisecond, KillSignal: "SIGKILL"},
		"abort":                   {Line: `echo early; eval "$SAID"; exec sleep 1000`, Abort: true},
		"in the background":       {Line: `(sleep 0.1; echo late) & echo early`},
		"in the background, deaf": {Line: `sleep 1000 >/dev/null 2>&1 & echo $! >&2; kill $!`},
	}
	node := proctest.FirstNode(t).Path
	for name, s := range scenarios {
		t.Run(name, func(t *testing.T) {
			want := s.inNode(t, node)
			got := s.inGo(t)
			if name == "in the background, deaf" {
				got.Stderr, want.Stderr = 0, 0 // a number, of any length
			}
			if got != want {
				t.Errorf("Go: %+v\nNode: %+v", got, want)
			}
		})
	}
}
