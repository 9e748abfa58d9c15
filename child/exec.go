package child

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// DefaultMaxBuffer is how many bytes of each output stream [Exec] and [ExecFile]
// keep, as in Node.
const DefaultMaxBuffer = 1 << 20

// ExecOptions are the choices of [Exec] and [ExecFile]; the zero value is fine.
type ExecOptions struct {
	Dir   string   // working directory; "" means this process's own
	Env   []string // as Command.Env
	Shell string   // Exec's shell, called with -c; "" means /bin/sh
	Input []byte   // what it reads from standard input; nil means /dev/null
	// MaxBuffer is how many bytes each of the two streams may have: one more, and
	// the whole tree is ended. 0 means [DefaultMaxBuffer], less than 0 no bound.
	MaxBuffer int
	// Timeout is how long it may take, from its start to the end of both streams;
	// 0 means no bound.
	Timeout time.Duration
	// Stop says how the tree is ended when ctx is done, the Timeout over or a
	// stream too long. The zero value kills it at once: what Node's killSignal is
	// needs a Grace too.
	Stop       StopOptions
	Credential *Credential // as Command.Credential
}

// Output is what a finished command wrote, and how it ended. It is there beside
// an error too, as far as it was read.
type Output struct {
	Stdout, Stderr []byte
	Exit           Exit // the zero Exit too if it could not be started
}

// MaxBufferError says that a command wrote more than was to be kept. Its whole
// tree was ended.
type MaxBufferError struct {
	Stream string // "stdout" or "stderr"
	Limit  int    // bytes: what was kept of that stream
}

func (e *MaxBufferError) Error() string {
	return fmt.Sprintf("%s: more than %d bytes", e.Stream, e.Limit)
}

// ExitError says that a command ended otherwise than with exit status 0.
type ExitError struct {
	Exit   Exit
	Stderr []byte // the same as in Output
}

func (e *ExitError) Error() string { return e.Exit.String() }

// Exec runs a command line in a shell and gathers what it writes, until the shell
// has ended and both streams are closed: what runs on in the background with one
// of them is waited for, what has closed them stays. Never build the line from
// untrusted text: use [ExecFile].
//
// The error wraps a [*StartError], an [*ExitError], a [*MaxBufferError], or the
// cause of ctx's end; context.DeadlineExceeded after the Timeout. A [*SweepError]
// may be joined to it, if this process is not permitted to end what it started.
// Of the last three kinds nothing runs any more when Exec returns. The Output is
// the caller's.
func Exec(ctx context.Context, line string, o ExecOptions) (Output, error) {
	shell := o.Shell
	if shell == "" {
		shell = "/bin/sh"
	}
	out, err := gather(ctx, Command{Path: shell, Args: []string{"-c", line}}, o)
	if err != nil {
		err = fmt.Errorf("exec %q: %w", abridge(line), err)
	}
	return out, err
}

// ExecFile is [Exec] for one program and its arguments, without a shell.
func ExecFile(ctx context.Context, path string, args []string, o ExecOptions) (Output, error) {
	out, err := gather(ctx, Command{Path: path, Args: args}, o)
	if err != nil {
		err = fmt.Errorf("exec %s: %w", path, err)
	}
	return out, err
}

func abridge(line string) string {
	const most = 80
	if len(line) <= most {
		return line
	}
	return line[:most] + "…"
}

func gather(ctx context.Context, cmd Command, o ExecOptions) (out Output, err error) {
	if o.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.Timeout, fmt.Errorf("not done within %v: %w", o.Timeout, context.DeadlineExceeded))
		defer cancel()
	}
	if ctx.Err() != nil {
		return out, context.Cause(ctx)
	}
	cmd.Dir, cmd.Env, cmd.Credential = o.Dir, o.Env, o.Credential
	cmd.Stdio = []Stdio{Ignore(), Pipe(), Pipe()}
	if o.Input != nil {
		cmd.Stdio[0] = Pipe()
	}
	p, err := Start(cmd)
	if err != nil {
		return out, err
	}
	defer p.Close()
	c := collect(p, o)
	err = c.wait(ctx)
	if err != nil {
		// Nothing of the tree is left to write after this; whoever else got
		// hold of the pipes is cut off by Close.
		_, serr := p.Stop(context.WithoutCancel(ctx), o.Stop)
		p.Close()
		err = errors.Join(err, serr)
	}
	c.readers.Wait()
	out = Output{Stdout: c.streams[0].data, Stderr: c.streams[1].data, Exit: p.Exit()}
	if err == nil && (out.Exit.Code != 0) {
		err = &ExitError{Exit: out.Exit, Stderr: out.Stderr}
	}
	return out, err
}

// collector reads both streams of one process.
type collector struct {
	p       *Process
	readers sync.WaitGroup // and the writer of its input
	streams [2]stream
	closed  chan struct{} // both streams are at their end
	over    chan error    // a stream is too long; room for both
}

type stream struct {
	name  string
	limit int
	data  []byte // the reader's until it has ended
}

func collect(p *Process, o ExecOptions) *collector {
	limit := o.MaxBuffer
	if limit == 0 {
		limit = DefaultMaxBuffer
	}
	c := &collector{p: p, closed: make(chan struct{}), over: make(chan error, 2)}
	var open sync.WaitGroup
	for i, name := range []string{"stdout", "stderr"} {
		s := &c.streams[i]
		s.name, s.limit = name, limit
		open.Add(1)
		c.readers.Go(func() {
			defer open.Done()
			if err := s.read(p.Pipe(i + 1)); err != nil {
				c.over <- err
			}
		})
	}
	c.readers.Go(func() {
		open.Wait()
		close(c.closed)
	})
	if in := p.Pipe(0); in != nil {
		c.readers.Go(func() {
			in.Write(o.Input) // a program need not read all of it
			in.Close()
		})
	}
	return c
}

// read keeps up to limit bytes of f, and stops when there is one more.
func (s *stream) read(f *os.File) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := f.Read(buf)
		room := n
		if s.limit >= 0 {
			room = s.limit - len(s.data)
		}
		s.data = append(s.data, buf[:min(n, room)]...)
		if n > room {
			return &MaxBufferError{Stream: s.name, Limit: s.limit}
		}
		if err != nil {
			if err == io.EOF || errors.Is(err, os.ErrClosed) {
				return nil
			}
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
}

// wait parks until the streams are closed and the process has ended.
func (c *collector) wait(ctx context.Context) error {
	select {
	case err := <-c.over:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.closed:
	}
	select { // an overflow closes its stream too
	case err := <-c.over:
		return err
	default:
	}
	_, err := c.p.Wait(ctx)
	return err
}
