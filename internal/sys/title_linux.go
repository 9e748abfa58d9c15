package sys

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SetTitle sets the short name of this process, as ps -o comm, top and pgrep
// show it. The kernel keeps 15 bytes.
func SetTitle(name string) error {
	f, err := os.OpenFile("/proc/self/comm", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(name)
	return err
}

// maxArguments is how long a title may be, with the zero byte at its end.
const maxArguments = 4096

// arguments is the memory that holds the title. Whoever writes to it has the lock.
var (
	argumentsLock sync.Mutex
	arguments     = sync.OnceValues(func() ([]byte, error) {
		return unix.Mmap(-1, 0, maxArguments, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	})
)

// SetArguments makes text what ps and /proc/PID/cmdline show of this process. The
// arguments themselves, and what the environment shows, stay as they are: the
// kernel is told to look elsewhere. Where it will not (CONFIG_CHECKPOINT_RESTORE is
// not set), the arguments are overwritten, and the text is cut to their length.
func SetArguments(text string) error {
	argumentsLock.Lock()
	defer argumentsLock.Unlock()
	text = strings.ReplaceAll(text, "\x00", " ")
	layout, err := ownLayout()
	if err != nil {
		return err
	}
	mem, err := arguments()
	if err == nil {
		n := copy(mem[:maxArguments-1], text)
		clear(mem[n:])
		if err = layout.moveArguments(mem[:n+1]); err == nil {
			return nil
		}
	}
	return layout.overwriteArguments(text)
}

// layout is where parts of this process lie: struct prctl_mm_map (prctl(2)).
type layout struct {
	startCode, endCode, startData, endData, startBrk, brk, startStack uint64
	argStart, argEnd, envStart, envEnd                                uint64
	auxv                                                              uint64
	auxvSize, exe                                                     uint32
}

// ownLayout reads it from /proc/self/stat (proc_pid_stat(5)).
func ownLayout() (l layout, err error) {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return l, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	for number, at := range map[int]*uint64{
		26: &l.startCode, 27: &l.endCode, 28: &l.startStack, 45: &l.startData, 46: &l.endData, 47: &l.startBrk,
		48: &l.argStart, 49: &l.argEnd, 50: &l.envStart, 51: &l.envEnd,
	} {
		const first = 3 // the number of the field after the name
		if number-first >= len(fields) {
			return l, fmt.Errorf("/proc/self/stat: %d fields", len(fields)+first-1)
		}
		if *at, err = strconv.ParseUint(fields[number-first], 10, 64); err != nil {
			return l, fmt.Errorf("/proc/self/stat: %w", err)
		}
	}
	brk, _, _ := unix.RawSyscall(unix.SYS_BRK, 0, 0, 0) // sets nothing, and tells where it is
	l.brk, l.exe = uint64(brk), ^uint32(0)
	return l, nil
}

func (l layout) moveArguments(mem []byte) error {
	start := uintptr(unsafe.Pointer(unsafe.SliceData(mem)))
	l.argStart, l.argEnd = uint64(start), uint64(start)+uint64(len(mem))
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_MM, unix.PR_SET_MM_MAP, uintptr(unsafe.Pointer(&l)), unsafe.Sizeof(l), 0))
}

func (l layout) overwriteArguments(text string) error {
	size := int(l.argEnd - l.argStart)
	if size <= 0 {
		return ErrUnsupported
	}
	for i, arg := range os.Args { // they lie in that memory
		os.Args[i] = strings.Clone(arg)
	}
	shown := make([]byte, size)
	copy(shown[:size-1], text)
	f, err := os.OpenFile("/proc/self/mem", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(shown, int64(l.argStart))
	return errors.Join(err, f.Close())
}
