package sys

import (
	"os"
	"runtime"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// A signal that comes meanwhile, as the runtime's own do, is no error of the pipe.
func TestOverDespiteSignals(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	tid, stopped := unix.Gettid(), make(chan struct{})
	var stop atomic.Bool
	go func() {
		defer close(stopped)
		for !stop.Load() {
			unix.Tgkill(os.Getpid(), tid, unix.SIGURG)
		}
	}()
	fd := int(r.Fd())
	for range 1_000_000 {
		if over, err := Over(fd); over || err != nil {
			t.Errorf("over %v, %v, and it has a writer", over, err)
			break
		}
	}
	stop.Store(true)
	<-stopped
	w.Close()
	if over, err := Over(fd); !over || err != nil {
		t.Errorf("over %v, %v, without a writer", over, err)
	}
}
