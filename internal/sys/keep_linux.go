package sys

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Subreaper makes this process the new parent of every descendant whose parent
// ends (PR_SET_CHILD_SUBREAPER). It must then [Reap].
func Subreaper() error {
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
}

// NoSubreaper undoes [Subreaper].
func NoSubreaper() error {
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0))
}

// PacketPair returns two connected AF_UNIX SOCK_SEQPACKET sockets, both
// close-on-exec and non-blocking: one packet is one message. The caller owns both.
func PacketPair(name string) (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), name), os.NewFile(uintptr(fds[1]), name+" (child)"), nil
}

// Reap collects one ended child, whichever it is, without waiting. pid is 0
// when none has ended; more tells whether there are children at all. It is for
// a process that waits for its children in no other way.
func Reap() (pid int, status syscall.WaitStatus, more bool, err error) {
	for {
		pid, err = syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch err {
		case nil:
			return pid, status, true, nil
		case syscall.EINTR:
		case syscall.ECHILD:
			return 0, 0, false, nil
		default:
			return 0, 0, false, os.NewSyscallError("wait4", err)
		}
	}
}

// SignalChild sends sig to a child that the caller has not reaped yet: until
// then its pid cannot belong to anyone else.
func SignalChild(pid int, sig syscall.Signal) error {
	return os.NewSyscallError("kill", unix.Kill(pid, sig))
}

// Children lists the children of this process that are not reaped yet, adopted
// ones included.
func Children() ([]int, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	self := strconv.Itoa(os.Getpid())
	var pids []int
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue // it ended
		}
		// "12 (any (name)) S 1 …": state and parent follow the last bracket.
		f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(f) > 1 && string(f[1]) == self {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// CloseOnExecFrom marks every descriptor from fd on as close-on-exec, so that
// what this process inherited does not leak into what it starts.
func CloseOnExecFrom(fd int) error {
	err := unix.CloseRange(uint(fd), ^uint(0)>>32, unix.CLOSE_RANGE_CLOEXEC)
	if err == nil {
		return nil
	}
	dir, err := os.ReadDir("/proc/self/fd") // kernels before 5.11
	if err != nil {
		return err
	}
	for _, e := range dir {
		if n, err := strconv.Atoi(e.Name()); err == nil && n >= fd {
			unix.CloseOnExec(n)
		}
	}
	return nil
}

// maxSocketPath is what fits into sockaddr_un.sun_path with its final zero.
const maxSocketPath = 107

// SocketPath calls fn with a path that names the Unix socket name in the folder
// dir and that is short enough for bind and connect, valid during fn only.
func SocketPath(dir, name string, fn func(path string) error) error {
	path := dir + "/" + name
	if len(path) <= maxSocketPath {
		return fn(path)
	}
	f, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return fn(fmt.Sprintf("/proc/self/fd/%d/%s", f.Fd(), name))
}

// DropCode takes this program's code and constants out of its memory; what is
// needed again comes back from the page cache by itself. It is for a process
// that has done its start and now mostly sleeps.
func DropCode() error {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return err
	}
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	for line := range bytes.Lines(maps) {
		// "00400000-00800000 r-xp 00000000 fe:00 123   /usr/bin/tend": only what
		// can never have been written to.
		f := bytes.Fields(line)
		if len(f) < 6 || string(f[5]) != exe || (string(f[1]) != "r-xp" && string(f[1]) != "r--p") {
			continue
		}
		var from, to uintptr
		if _, err := fmt.Sscanf(string(f[0]), "%x-%x", &from, &to); err != nil {
			return err
		}
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED); errno != 0 {
			return os.NewSyscallError("madvise", errno)
		}
	}
	return nil
}
