package sys

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Real-time signals as the C library counts them: the kernel's first two are
// taken by its threads.
const (
	sigRTMin = 34
	sigRTMax = 64
)

// SignalName gives the name of sig as Node and kill(1) write it: "SIGTERM",
// "SIGRTMIN+3"; "" for 0 and a number as such where there is no name.
func SignalName(sig syscall.Signal) string {
	if sig == 0 {
		return ""
	}
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	switch {
	case sig == sigRTMin:
		return "SIGRTMIN"
	case sig > sigRTMin && sig <= sigRTMax:
		return "SIGRTMIN+" + strconv.Itoa(int(sig-sigRTMin))
	}
	return strconv.Itoa(int(sig))
}

// ParseSignal reads a signal as people write it: "SIGTERM", "TERM", "term",
// "15", "RTMIN+3".
func ParseSignal(text string) (syscall.Signal, error) {
	name := strings.ToUpper(strings.TrimSpace(text))
	if n, err := strconv.Atoi(name); err == nil {
		if n < 1 || n > sigRTMax {
			return 0, fmt.Errorf("no signal has the number %d", n)
		}
		return syscall.Signal(n), nil
	}
	short := strings.TrimPrefix(name, "SIG")
	switch short {
	case "IOT":
		return unix.SIGABRT, nil
	case "POLL":
		return unix.SIGIO, nil
	case "CLD":
		return unix.SIGCHLD, nil
	}
	if sig := unix.SignalNum("SIG" + short); sig != 0 {
		return sig, nil
	}
	if sig, ok := parseRealTime(short); ok {
		return sig, nil
	}
	return 0, fmt.Errorf("no signal is called %q", text)
}

func parseRealTime(name string) (syscall.Signal, bool) {
	base := sigRTMin
	rest, ok := strings.CutPrefix(name, "RTMIN")
	if !ok {
		if rest, ok = strings.CutPrefix(name, "RTMAX"); !ok {
			return 0, false
		}
		base = sigRTMax
	}
	n := 0
	if rest != "" {
		var err error
		if n, err = strconv.Atoi(rest); err != nil || (rest[0] != '+' && rest[0] != '-') {
			return 0, false
		}
	}
	if sig := base + n; sig >= sigRTMin && sig <= sigRTMax {
		return syscall.Signal(sig), true
	}
	return 0, false
}

// Raise sends sig to this process.
func Raise(sig syscall.Signal) error { return unix.Kill(unix.Getpid(), sig) }
