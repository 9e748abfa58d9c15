package sys

import (
	"syscall"
	"testing"
)

func TestParseSignal(t *testing.T) {
	for _, c := range []struct {
		text string
		want syscall.Signal
	}{
		{"SIGTERM", syscall.SIGTERM},
		{"TERM", syscall.SIGTERM},
		{"term", syscall.SIGTERM},
		{" sigint ", syscall.SIGINT},
		{"15", 15},
		{"KILL", syscall.SIGKILL},
		{"USR2", syscall.SIGUSR2},
		{"CLD", syscall.SIGCHLD},
		{"SIGPOLL", syscall.SIGIO},
		{"RTMIN", 34},
		{"SIGRTMIN+3", 37},
		{"RTMAX-1", 63},
	} {
		got, err := ParseSignal(c.text)
		if err != nil || got != c.want {
			t.Errorf("ParseSignal(%q) = %d, %v; want %d", c.text, got, err, c.want)
		}
	}
	for _, text := range []string{"", "0", "-1", "65", "SIG", "SIGSIGTERM", "BOGUS", "RTMIN+99", "RTMIN3", "RTMAX+1"} {
		if got, err := ParseSignal(text); err == nil {
			t.Errorf("ParseSignal(%q) = %d, want an error", text, got)
		}
	}
}

func TestSignalNameReadsBack(t *testing.T) {
	for sig := syscall.Signal(1); sig <= 64; sig++ {
		got, err := ParseSignal(SignalName(sig))
		if err != nil || got != sig {
			t.Errorf("ParseSignal(SignalName(%d) = %q) = %d, %v", sig, SignalName(sig), got, err)
		}
	}
	if name := SignalName(0); name != "" {
		t.Errorf("SignalName(0) = %q", name)
	}
}
