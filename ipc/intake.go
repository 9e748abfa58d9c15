package ipc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/tendproc/tend/internal/sys"
)

// intake holds the beginning of a line that is being received, in memory that
// outlives this process: a file that the Spool has. Bytes come there from the
// socket in the call of the kernel that consumes them, so at each moment they are
// in one of the two, and the text ends at the first zero: no JSON text has one.
//
// The end of a line stays in the socket until the line is handled. A successor
// finds one of these:
//
//	beginning here, rest in the socket           it goes on
//	the same, and the flag is set                 handled: it consumes the rest
//	all here, and the flag is set                 handled: there is nothing to do
//	nothing here, all in the socket               the beginning was not consumed yet
type intake struct {
	mem []byte // the flag, and the text after it
	n   int    // bytes of text
}

// handled is the flag's value.
const handled = 1

// newIntake makes an intake that spool keeps.
func newIntake(most int, spool Spool) (*intake, error) {
	f, err := sys.Memory("unread", int64(1+most))
	if err != nil {
		return nil, err
	}
	defer f.Close() // the memory stays
	in, err := mapIntake(f, 1+most)
	if err != nil {
		return nil, err
	}
	return in, spool.Keep(f)
}

// openIntake opens what a former reader left.
func openIntake(f *os.File) (*intake, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	in, err := mapIntake(f, int(info.Size()))
	if err != nil {
		return nil, err
	}
	if in.n = bytes.IndexByte(in.mem[1:], 0); in.n < 0 {
		return nil, errors.New("no end of the text")
	}
	if in.n == 0 || in.mem[in.n] == '\n' {
		return in, in.clear()
	}
	return in, nil
}

func mapIntake(f *os.File, size int) (*intake, error) {
	if size < 2 {
		return nil, errors.New("too short")
	}
	mem, err := sys.MapShared(f, size)
	if err != nil {
		return nil, err
	}
	in := &intake{mem: mem}
	// A reader may be at it while another goroutine closes the Conn.
	runtime.AddCleanup(in, func(mem []byte) { sys.Unmap(mem) }, mem)
	return in, nil
}

// clear makes it empty, the flag last.
func (in *intake) clear() error {
	in.mem[1], in.n = 0, 0
	return sys.DropPages(in.mem)
}

// startIntake begins to take in a line. It is false where that cannot be; then the
// line is held in plain memory.
func (c *Conn) startIntake() bool {
	if c.options.Reading == nil || c.options.Serialization != JSON || len(c.in.held) > 0 {
		return false
	}
	if c.in.intake == nil {
		in, err := newIntake(c.options.MaxMessage+peekSize, c.options.Reading)
		if err != nil {
			return false
		}
		c.in.mu.Lock()
		c.in.intake = in
		c.in.mu.Unlock()
	}
	c.in.taking = true
	return true
}

// takeIn goes on with the line that is being taken in.
func (c *Conn) takeIn(buf []byte, fn func(*Frame) error) (more bool, err error) {
	n, _, err := c.peek(buf)
	if err != nil {
		if sys.IsWouldBlock(err) {
			return false, nil
		}
		return false, err
	}
	in := c.in.intake
	end := bytes.IndexByte(buf[:n], '\n') + 1
	whole := end > 0
	if !whole {
		end = n
	}
	if in.n+end > min(c.options.MaxMessage, len(in.mem)-2)+1 {
		c.in.err = fmt.Errorf("%w: more than %d bytes", ErrTooLong, c.options.MaxMessage)
		return false, c.in.err
	}
	if whole && in.mem[0] != handled {
		c.in.held = append(append(make([]byte, 0, in.n+end), in.mem[1:1+in.n]...), buf[:end]...)
		err = c.handleHeld(fn)
		in.mem[0] = handled
	}
	if ferr := c.fill(in, end); err == nil {
		err = ferr
	}
	if whole {
		c.in.taking = false
		if cerr := in.clear(); err == nil {
			err = cerr
		}
	}
	return true, err
}

// fill moves n bytes, which are there, from the socket to the intake.
func (c *Conn) fill(in *intake, n int) error {
	dst := in.mem[1+in.n : 1+in.n+n]
	for i := 0; i < n; i += os.Getpagesize() { // so that the kernel need not fetch a page while it copies
		dst[i] = 0
	}
	dst[n-1] = 0
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	for len(dst) > 0 {
		if c.in.closed {
			return ErrClosed
		}
		got, passed, err := sys.RecvInto(c.fd, dst)
		if fd := firstOf(passed); fd >= 0 {
			c.in.keepLocked(fd)
		}
		if err == nil && got == 0 {
			err = errors.New("what was there is gone")
		}
		if err != nil {
			return fmt.Errorf("channel: %w", os.NewSyscallError("recvmsg", err))
		}
		in.n += got
		dst = dst[got:]
	}
	return nil
}

// resumeReading goes on with what a former reader had taken in. It takes f, which
// may be nil. What is none of ours is as good as nothing.
func (c *Conn) resumeReading(f *os.File) {
	if f == nil {
		return
	}
	defer f.Close()
	in, err := openIntake(f)
	if err != nil {
		return
	}
	if c.options.Reading != nil {
		_ = c.options.Reading.Keep(f) // it has it; now it is known as ours
	}
	c.in.intake, c.in.taking = in, in.n > 0
	if c.in.taking {
		c.in.resumed = false // the first line is whole
	}
}
