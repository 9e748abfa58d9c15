package daemon

import (
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"testing/synctest"
	"time"
)

// percent is how much garbage the runtime lets gather.
func percent() uint64 {
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

func TestThrift(t *testing.T) {
	defer debug.SetGCPercent(int(percent()))
	synctest.Test(t, func(t *testing.T) {
		m := newThrift()
		defer m.stop()
		for range 2 {
			m.used()
			time.Sleep(settle - 1)
			m.used()
			time.Sleep(settle - 1)
			if got := percent(); got != busyGarbage {
				t.Errorf("while it is used: %d %%", got)
			}
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			if got := percent(); got != idleGarbage {
				t.Errorf("when it was not used for %v: %d %%", settle, got)
			}
		}
	})
}
