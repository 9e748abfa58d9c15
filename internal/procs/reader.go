package procs

import (
	"bytes"
	"os"
	"strconv"
	"syscall"

	"github.com/tendproc/tend/internal/sys"
)

func pageBytes() uint64 { return uint64(os.Getpagesize()) }

// maxText bounds what is read of one file. Environments are the longest; the
// kernel allows them a quarter of the stack limit, mostly 2 MiB.
const maxText = 8 << 20

// Reader reads /proc with buffers of its own and hardly allocates. The zero
// value is ready. It is not for concurrent use.
type Reader struct {
	path []byte
	buf  []byte
	tids []int
}

// Stat reads one process. The error is syscall.ENOENT (or ESRCH) if it is gone.
func (r *Reader) Stat(pid int) (Stat, error) {
	text, err := r.read(pid, "/stat")
	if err != nil {
		return Stat{}, err
	}
	return parseStat(text)
}

// Children appends the children of the process s to dst, of all its threads. It
// needs a kernel with CONFIG_PROC_CHILDREN: [Reader.Pids] and PPID otherwise.
// It may miss some while they fork and end: ask again until nothing changes.
func (r *Reader) Children(s *Stat, dst []int) ([]int, error) {
	r.tids = append(r.tids[:0], s.PID)
	if s.Threads != 1 {
		r.setPath(s.PID, "/task")
		r.tids = r.tids[:0]
		if err := sys.ReadProcDir(r.path, func(tid int, _ uint64) { r.tids = append(r.tids, tid) }); err != nil {
			return dst, err
		}
	}
	var firstErr error
	for _, tid := range r.tids {
		text, err := r.read(s.PID, "/task/"+strconv.Itoa(tid)+"/children")
		if err != nil {
			if firstErr == nil && tid == s.PID {
				firstErr = err
			}
			continue // the thread ended
		}
		for len(text) > 0 {
			i := bytes.IndexByte(text, ' ')
			if i < 0 {
				i = len(text) - 1
			}
			if pid := number(text); pid > 0 {
				dst = append(dst, pid)
			}
			text = text[i+1:]
		}
	}
	return dst, firstErr
}

// Pids appends the numbers of all processes that this one may see to dst.
func (r *Reader) Pids(dst []int) ([]int, error) {
	err := r.each(func(pid int, _ uint64) { dst = append(dst, pid) })
	return dst, err
}

// each calls fn with every process that this one may see, and its inode.
func (r *Reader) each(fn func(pid int, inode uint64)) error {
	r.path = append(r.path[:0], "/proc\x00"...)
	return sys.ReadProcDir(r.path, fn)
}

// Environ returns the environment the process started its program with, as the
// kernel keeps it: entries that end with a zero byte. A program may have
// overwritten it. It is valid until the next call, and refused for processes
// of other users.
func (r *Reader) Environ(pid int) ([]byte, error) { return r.read(pid, "/environ") }

// Cmdline returns the arguments (or the title the process gave itself), as
// [Reader.Environ] does.
func (r *Reader) Cmdline(pid int) ([]byte, error) { return r.read(pid, "/cmdline") }

// read returns the file's text, valid until the next read.
func (r *Reader) read(pid int, name string) ([]byte, error) {
	r.setPath(pid, name)
	if r.buf == nil {
		r.buf = make([]byte, 4096)
	}
	for {
		n, err := sys.ReadProc(r.path, r.buf)
		if err != nil {
			if err == syscall.ESRCH {
				err = syscall.ENOENT // it ended between open and read
			}
			return nil, err
		}
		if n < len(r.buf) || len(r.buf) >= maxText {
			return r.buf[:n], nil
		}
		r.buf = make([]byte, 4*len(r.buf))
	}
}

func (r *Reader) setPath(pid int, name string) {
	r.path = append(r.path[:0], "/proc/"...)
	r.path = strconv.AppendInt(r.path, int64(pid), 10)
	r.path = append(r.path, name...)
	r.path = append(r.path, 0)
}

// Lookup finds the value of key in an environment as [Reader.Environ] gives it.
func Lookup(environ []byte, key string) (value string, ok bool) {
	for len(environ) > 0 {
		entry, rest, _ := bytes.Cut(environ, []byte{0})
		if len(entry) > len(key) && entry[len(key)] == '=' && string(entry[:len(key)]) == key {
			return string(entry[len(key)+1:]), true
		}
		environ = rest
	}
	return "", false
}
