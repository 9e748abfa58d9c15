package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/sys"
)

// file is the one writer of a log file, for all the pipes that lead to it. It
// opens for appending, so the file may be truncated by anyone at any time.
type file struct {
	path    string
	private bool // in the store's own folder
	given   bool // a console: open from the start, and somebody else's
	refs    int  // guarded by Store.mu

	// mu makes a write, the state it leaves and its publication one step. It is
	// held across the write: who else writes here must wait for it anyway.
	mu      sync.Mutex
	f       *os.File // nil when not open
	fd      int
	regular bool
	inode   uint64
	size    int64 // before the write that is going on
	torn    bool  // the file ends within a line
	by      *Pipe // which may continue that line
	lost    int   // lines not written since failed
	failed  error // why lines are being lost
}

// ensure opens the file if it is not.
func (f *file) ensure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f != nil {
		return nil
	}
	return f.openLocked()
}

func (f *file) reopen() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closeLocked()
	return f.openLocked()
}

func (f *file) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closeLocked()
}

func (f *file) closeLocked() {
	if f.f != nil {
		f.f.Close()
		f.f = nil
	}
}

func (f *file) openLocked() error {
	if f.path == Null {
		return nil
	}
	opened, err := openAppend(f.path, f.private)
	if err != nil {
		return err
	}
	conn, err := opened.SyscallConn()
	if err != nil {
		opened.Close()
		return err
	}
	conn.Control(func(fd uintptr) { f.fd = int(fd) }) // valid while f.f is open
	_, size, regular, err := sys.Links(f.fd)
	id, ierr := sys.Identify(f.fd)
	if err = errors.Join(err, ierr); err != nil {
		opened.Close()
		return err
	}
	f.f, f.regular, f.inode, f.size = opened, regular, id.Ino, size
	f.torn, f.by = regular && size > 0 && !endsWithNewline(f.path, size), nil
	return nil
}

// openAppend opens path for appending, with the folders it needs.
func openAppend(path string, private bool) (*os.File, error) {
	open := func() (*os.File, error) {
		return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|sys.OpenNonblock, 0o644)
	}
	f, err := open()
	if errors.Is(err, fs.ErrNotExist) {
		mode := os.FileMode(0o755)
		if private {
			mode = 0o700
		}
		if err := os.MkdirAll(filepath.Dir(path), mode); err != nil {
			return nil, openFault(path, err)
		}
		f, err = open()
	}
	if err != nil {
		return nil, openFault(path, err)
	}
	return f, nil
}

func openFault(path string, err error) error {
	code := fault.Invalid
	if errors.Is(err, fs.ErrPermission) {
		code = fault.Denied
	}
	return &fault.Error{
		Code: code, Op: "open log", Message: "cannot write to " + path, Err: err,
		Remedy: "Give another path with --output and --error, or make the folder writable.",
	}
}

// full tells an error that passes: the disk or the quota is exhausted.
func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

func endsWithNewline(path string, size int64) bool {
	f, err := os.Open(path)
	if err != nil {
		return true // not readable by us: take it as whole
	}
	defer f.Close()
	var last [1]byte
	_, err = f.ReadAt(last[:], size-1)
	return err != nil || last[0] == '\n'
}

// raw opens the file for a process to write to by itself, from a line's start.
func (f *file) raw() (*os.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.path == Null:
		return os.OpenFile(Null, os.O_WRONLY, 0)
	case f.given:
		return sys.DupFile(f.f)
	}
	own, err := openAppend(f.path, f.private)
	if err != nil {
		return nil, err
	}
	if info, err := own.Stat(); err == nil && info.Mode().IsRegular() && info.Size() > 0 && !endsWithNewline(f.path, info.Size()) {
		own.WriteString("\n") // its failure is no reason not to start
	}
	return own, nil
}

func (f *file) truncate() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f == nil || !f.regular {
		return nil
	}
	f.torn, f.by = false, nil
	return f.f.Truncate(0)
}

// within tells whether the file ends in a line that p may continue.
func (f *file) within(p *Pipe) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.torn && f.by == p
}

// resume lets p continue the line in which the file ends.
func (f *file) resume(p *Pipe) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.torn && f.by == nil {
		f.by = p
	}
}

var scratches = sync.Pool{New: func() any { return new([]byte) }} // for stamped text

// append writes text, which is whole lines or a piece of one that p wrote, and
// passes it to who follows. It never waits for more than the file system, and
// keeps nothing of text. The error is the first of an outage: later ones are counted
// and noted in the file when it works again.
func (f *file) append(p *Pipe, text []byte, now time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.path == Null && p.stream.followers.Load() == nil {
		return nil
	}
	continues := f.torn && f.by == p
	w := piece{lines: len(text), at: now, continues: continues}
	if p.stamp != nil {
		scratch := scratches.Get().(*[]byte)
		defer scratches.Put(scratch)
		text = p.stamp.lines((*scratch)[:0], text, now, continues)
		*scratch = text
	}
	err := f.writeLocked(p, text, w)
	p.stream.publish(text, now, continues)
	return err
}

// join appends text, which p has put on its own file, to this one that several
// share, with stamp, nil for none. What is on its way when the daemon is killed may
// be missing here.
func (f *file) join(p *Pipe, stamp *stamper, text []byte, now time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.checkLocked(); err != nil {
		return f.failLocked(text, err)
	}
	out := f.headLocked(p)
	switch {
	case stamp != nil:
		out = stamp.lines(out, text, now, f.torn && f.by == p)
	case out == nil:
		out = text
	default:
		out = append(out, text...)
	}
	write := writeAll
	if f.given {
		write = writePatiently
	}
	n, err := write(f.fd, out)
	if n > 0 {
		f.torn, f.by = out[n-1] != '\n', p
	}
	if err != nil {
		return f.failLocked(out[n:], err)
	}
	f.lost, f.failed = 0, nil
	return nil
}

func (f *file) writeLocked(p *Pipe, text []byte, w piece) error {
	if f.path == Null {
		f.torn, f.by = text[len(text)-1] != '\n', p
		return nil
	}
	if err := f.checkLocked(); err != nil {
		return f.failLocked(text, err)
	}
	head := f.headLocked(p)
	out := text
	if head != nil {
		out = append(head, text...)
	}
	if f.regular {
		w.before, w.inode, w.out, w.newline = f.size, f.inode, len(out), len(head) > 0 && head[0] == '\n'
		p.slot.writing(w)
	}
	reached("to write", f.fd, out)
	n, err := writeAll(f.fd, out)
	reached("written", f.fd, out)
	if n > 0 {
		f.torn, f.by = out[n-1] != '\n', p
	}
	if err != nil {
		if n > 0 {
			f.by = nil // what could not be written is not continued
		}
		return f.failLocked(text[max(0, n-len(head)):], err)
	}
	f.lost, f.failed = 0, nil
	return nil
}

// checkLocked sees to it that the open file is still the one of that name's
// folder: deleted, it is made anew.
func (f *file) checkLocked() error {
	if f.f == nil {
		return f.openLocked()
	}
	if !f.regular {
		return nil
	}
	links, size, _, err := sys.Links(f.fd)
	if err == nil && links > 0 {
		if f.size = size; size == 0 {
			f.torn, f.by = false, nil // truncated by someone
		}
		return nil
	}
	f.closeLocked()
	return f.openLocked()
}

// headLocked is what must stand before p's next text: the newline that another
// process did not live to write, and the note of what was lost.
func (f *file) headLocked(p *Pipe) (head []byte) {
	if f.torn && (f.by != p || f.failed != nil) {
		head = append(head, '\n')
	}
	if f.failed != nil && f.lost > 0 {
		head = append(append(head, f.lossLocked()...), '\n')
	}
	return head
}

func (f *file) lossLocked() string {
	return fmt.Sprintf("tend: %d lines lost here: %v", f.lost, cause(f.failed))
}

// loss is the note that the file will get, empty while lines reach it.
func (f *file) loss() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed == nil || f.lost == 0 {
		return ""
	}
	return f.lossLocked()
}

// failLocked counts text as lost. It returns err only at the start of an outage.
func (f *file) failLocked(text []byte, err error) error {
	f.lost += bytes.Count(text, []byte{'\n'})
	if len(text) > 0 && text[len(text)-1] != '\n' {
		f.lost++
	}
	if f.failed != nil {
		return nil
	}
	f.failed = err
	return fmt.Errorf("log %s: lines are lost until it can be written again: %w", f.path, cause(err))
}

// cause is the innermost error: the path is told already.
func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

func writeAll(fd int, buf []byte) (n int, err error) {
	for n < len(buf) {
		m, err := sys.WriteOnce(fd, buf[n:])
		n += m
		if err != nil {
			return n, os.NewSyscallError("write", err)
		}
	}
	return n, nil
}

// sizeLocked is how long the file is now; 0 when it cannot be told.
func (f *file) sizeLocked() int64 {
	if f.f == nil {
		return 0
	}
	_, size, _, err := sys.Links(f.fd)
	if err != nil {
		return 0
	}
	return size
}
