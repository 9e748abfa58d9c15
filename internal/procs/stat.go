package procs

import (
	"bytes"
	"fmt"
	"time"

	"github.com/tendproc/tend/internal/sys"
)

// tick is the unit of times in /proc: USER_HZ is 100 on every Linux.
const tick = 10 * time.Millisecond

// pageSize is set once; /proc/PID/stat counts memory in pages.
var pageSize = pageBytes()

// Stat is one process at one moment, from /proc/PID/stat (proc_pid_stat(5)).
type Stat struct {
	PID     int
	State   byte // R, S, D, Z, T, …
	PPID    int
	PGID    int
	SID     int
	Threads int
	User    time.Duration // CPU time so far
	System  time.Duration
	Start   time.Duration // since boot; with PID it names one process for good
	RSS     uint64        // bytes

	comm    [64]byte
	commLen uint8
}

// Comm is the name the kernel has for the process: at most 15 bytes for a program.
func (s *Stat) Comm() string { return string(s.comm[:s.commLen]) }

// CPU is the processor time the process has used.
func (s *Stat) CPU() time.Duration { return s.User + s.System }

// Alive tells whether anything of the process still runs. A zombie whose first
// thread ended before the others does.
func (s *Stat) Alive() bool {
	switch s.State {
	case 'Z':
		return s.Threads > 1
	case 'X', 'x':
		return false
	}
	return true
}

// StartedAt is the start in wall-clock time, good to about a tick.
func (s *Stat) StartedAt() time.Time { return time.Now().Add(s.Start - sys.SinceBoot()) }

// parseStat reads the text of /proc/PID/stat. The name is in brackets and may
// hold any byte, brackets and newlines included.
func parseStat(text []byte) (s Stat, err error) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open || end+2 >= len(text) {
		return s, fmt.Errorf("stat: %q", text)
	}
	s.PID = number(text[:open])
	s.commLen = uint8(copy(s.comm[:], text[open+1:end]))
	rest := text[end+2:]
	s.State = rest[0]
	field := 3 // the state; numbering as in the manual page
	for i := 0; i < len(rest); field++ {
		j := bytes.IndexByte(rest[i:], ' ')
		if j < 0 {
			j = len(rest) - i
		}
		s.set(field, rest[i:i+j])
		i += j + 1
	}
	if field <= 24 || s.PID <= 0 {
		return s, fmt.Errorf("stat: %q", text)
	}
	return s, nil
}

func (s *Stat) set(field int, text []byte) {
	switch field {
	case 4:
		s.PPID = number(text)
	case 5:
		s.PGID = number(text)
	case 6:
		s.SID = number(text)
	case 14:
		s.User = time.Duration(number(text)) * tick
	case 15:
		s.System = time.Duration(number(text)) * tick
	case 20:
		s.Threads = number(text)
	case 22:
		s.Start = time.Duration(number(text)) * tick
	case 24:
		s.RSS = uint64(number(text)) * pageSize
	}
}

// number reads decimal digits up to the first other byte; negative ones are 0.
func number(text []byte) (n int) {
	for _, c := range text {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + int(c-'0')
	}
	return n
}
