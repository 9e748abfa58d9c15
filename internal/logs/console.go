package logs

import (
	"os"
	"strings"

	"github.com/tendproc/tend/internal/sys"
)

// Console is where somebody looks on. Unlike a file it is waited for: an application
// waits, too, when nobody takes what it writes.
type Console struct {
	Out, Err *os.File            // the caller's; both may be the same
	Stamp    func(Target) string // what stands before each line, as [Target.Stamp]; nil for raw lines
}

// files are the writers of the console, by the name of the stream.
func (c *Console) files() map[string]*file {
	if c == nil {
		return nil
	}
	out := given("standard output", c.Out) // valid while c.Out is open
	if c.Err == c.Out {
		return map[string]*file{"out": out, "err": out}
	}
	return map[string]*file{"out": out, "err": given("standard error", c.Err)}
}

func given(name string, f *os.File) *file {
	own := &file{path: name, given: true, f: f, fd: -1}
	if conn, err := f.SyscallConn(); err == nil {
		conn.Control(func(fd uintptr) { own.fd = int(fd) })
	}
	return own
}

func (c *Console) stamp(t Target) string {
	if c == nil || c.Stamp == nil {
		return ""
	}
	return c.Stamp(t)
}

// writePatiently is writeAll for a descriptor that others may have made one that does
// not wait.
func writePatiently(fd int, buf []byte) (n int, err error) {
	for {
		m, err := writeAll(fd, buf[n:])
		n += m
		if err == nil || !sys.IsWouldBlock(cause(err)) {
			return n, err
		}
		if err := sys.AwaitWritable(fd); err != nil {
			return n, err
		}
	}
}

// headMark begins a stamp that nothing follows but the line.
const headMark = "\x00head\x00"

// HeadStamp is a [Target.Stamp] that puts format alone before each line.
func HeadStamp(format string) string { return headMark + format }

// Literal is text as a format has it.
func Literal(text string) string {
	var b strings.Builder
	for i, part := range strings.Split(text, "]") {
		if i > 0 {
			b.WriteByte(']') // no token, so it stands for itself
		}
		if part != "" {
			b.WriteString("[" + part + "]")
		}
	}
	return b.String()
}
