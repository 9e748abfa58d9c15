package supervisor

import (
	"testing"
	"time"

	"github.com/tendproc/tend/internal/spec"
)

// A worker that is too heavy is replaced, its successor first; without a limit
// nothing is weighed.
func TestHeavyProcessesAreReplaced(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.start("web", 2) // weighs 1001 and 2001
		b.took()
		b.wait(5 * time.Minute)
		b.wantActs("")
		limit := "2000"
		req := act("web")
		req.Options = spec.Options{MaxMemory: &limit}
		if _, err := b.sup.Restart(b.ctx, req); err != nil { // 1002 and 2002
			t.Fatal(err)
		}
		b.took()
		b.wait(29 * time.Second)
		b.wantActs("")
		b.wait(2 * time.Second)
		b.wantActs("spawn 1.3, unroute 1.2, disconnect 1.2")
		if in := b.get(0); in.Gen != 2 {
			t.Errorf("%+v", in)
		}
	})
}

func TestOldProcessesAreReplaced(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.start("web", 1)
		age := time.Hour
		req := act("web")
		req.Options = spec.Options{MaxAge: &age}
		if _, err := b.sup.Restart(b.ctx, req); err != nil {
			t.Fatal(err)
		}
		b.took()
		b.wait(54 * time.Minute)
		b.wantActs("")
		b.wait(13 * time.Minute)
		if in := b.get(0); in.Gen != 3 || in.Restarts != 2 {
			t.Errorf("%+v", in)
		}
	})
}
