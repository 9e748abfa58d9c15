package sys

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ReadProc reads the file at path, which ends with a zero byte, into buf and
// returns how many bytes there were; n == len(buf) means that more may follow.
// It allocates nothing and does not touch the runtime poller: files of /proc
// are always ready.
func ReadProc(path, buf []byte) (n int, err error) {
	fd, err := openPath(path, unix.O_RDONLY)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	for n < len(buf) {
		got, err := unix.Read(fd, buf[n:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return n, err
		}
		if got == 0 {
			break
		}
		n += got
	}
	return n, nil
}

// ReadProcDir calls fn with the entries of the folder at path, which ends with a
// zero byte, whose names are numbers, and with their inodes.
func ReadProcDir(path []byte, fn func(number int, inode uint64)) error {
	fd, err := openPath(path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var buf [8192]byte
	for {
		n, err := unix.ReadDirent(fd, buf[:])
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return err
		}
		numbers(buf[:n], fn)
	}
}

// numbers reads struct linux_dirent64: inode, offset (8 bytes each), record
// length (2), type (1), and the name up to a zero byte (getdents(2)).
func numbers(buf []byte, fn func(number int, inode uint64)) {
	const name = 19
	for len(buf) > name {
		size := int(binary.NativeEndian.Uint16(buf[16:]))
		if size <= name || size > len(buf) {
			return
		}
		n, ok := 0, false
		for _, c := range buf[name:size] {
			if c == 0 {
				break
			}
			if c < '0' || c > '9' {
				ok = false
				break
			}
			n, ok = n*10+int(c-'0'), true
		}
		if ok {
			fn(n, binary.NativeEndian.Uint64(buf))
		}
		buf = buf[size:]
	}
}

// LastPID returns the process (or thread) number that was given out last, from
// /proc/loadavg: as long as it stays the same, nothing has forked. 0: unknown.
func LastPID() int {
	var buf [128]byte
	n, err := ReadProc([]byte("/proc/loadavg\x00"), buf[:])
	if err != nil {
		return 0
	}
	pid, unit := 0, 1
	for n--; n >= 0 && buf[n] != ' '; n-- {
		if c := buf[n]; c >= '0' && c <= '9' {
			pid += int(c-'0') * unit
			unit *= 10
		}
	}
	return pid
}

// Processes returns about how many processes the machine has: they count as links of
// /proc, which costs one call. 0: unknown.
func Processes() int {
	var st unix.Stat_t
	if unix.Stat("/proc", &st) != nil {
		return 0
	}
	return int(st.Nlink)
}

func openPath(path []byte, flags int) (int, error) {
	at := unix.AT_FDCWD
	for {
		fd, _, errno := unix.Syscall6(unix.SYS_OPENAT, uintptr(at), uintptr(unsafe.Pointer(&path[0])), uintptr(flags|unix.O_CLOEXEC), 0, 0, 0)
		switch errno {
		case 0:
			return int(fd), nil
		case unix.EINTR:
		default:
			return -1, errno
		}
	}
}
