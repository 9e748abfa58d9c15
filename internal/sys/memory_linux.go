package sys

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Memory returns a new anonymous file of size bytes (memfd_create(2)), close-on-exec
// and owned by the caller. Its pages cost nothing until they are written to.
func Memory(name string, size int64) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if err := f.Truncate(size); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// MapShared maps the first size bytes of f, which must be that long, until
// [Unmap] or the end of the process. What is written there is in f at once.
func MapShared(f *os.File, size int) (mem []byte, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() < int64(size) {
		return nil, fmt.Errorf("map %s: %d bytes, want %d", f.Name(), info.Size(), size)
	}
	err = control(f, func(fd int) error {
		mem, err = unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		return os.NewSyscallError("mmap", err)
	})
	return mem, err
}

// Unmap ends what [MapShared] began: mem must not be touched any more.
func Unmap(mem []byte) error { return os.NewSyscallError("munmap", unix.Munmap(mem)) }

// AtomicWord is the first eight bytes of mem, which must be aligned to as many.
func AtomicWord(mem []byte) *atomic.Uint64 {
	_ = mem[7]
	return (*atomic.Uint64)(unsafe.Pointer(&mem[0])) // #nosec: see its doc
}

// DropPages gives the pages of mapped memory back; it is zeros then. mem must be
// aligned to pages.
func DropPages(mem []byte) error {
	return os.NewSyscallError("madvise", unix.Madvise(mem, unix.MADV_REMOVE))
}

// Buffered is how many bytes the pipe fd holds.
func Buffered(fd int) (int, error) {
	n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	return n, os.NewSyscallError("ioctl", err)
}

// Over tells that the pipe fd is empty and nobody has its other end.
func Over(fd int) (bool, error) {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, 0)
		if err == unix.EINTR { // although it waits for nothing, a signal ends it
			continue
		}
		return fds[0].Revents&unix.POLLHUP != 0 && fds[0].Revents&unix.POLLIN == 0, os.NewSyscallError("poll", err)
	}
}

// AwaitWritable parks the thread until fd takes more, or nobody reads it.
func AwaitWritable(fd int) error {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	for {
		_, err := unix.Poll(fds, -1)
		if err != unix.EINTR {
			return os.NewSyscallError("poll", err)
		}
	}
}

// IdentifyFile is [Identify] for f.
func IdentifyFile(f *os.File) (id FileID, err error) {
	err = control(f, func(fd int) (err error) {
		id, err = Identify(fd)
		return err
	})
	return id, err
}
