package thread_test

import (
	"context"
	"syscall"
	"testing"

	"github.com/tendproc/tend/thread"
)

// A locked thread has an OS thread that is gone with it.
func TestLockOSThread(t *testing.T) {
	ids := map[any]bool{}
	for range 4 {
		th := start(t, func(ctx context.Context, self *thread.Self) error {
			self.Port().Post(syscall.Gettid())
			_, err := self.Port().Receive(ctx)
			return err
		}, thread.Options{LockOSThread: true})
		id, err := th.Receive(soon(t))
		if err != nil || ids[id] {
			t.Errorf("thread %v twice, %v", id, err)
		}
		ids[id] = true
	}
}
