package supervisor

import (
	"testing"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/spec"
)

// A list with metrics waits for those who answer, and not long for who does not; that
// one is not asked again before it has answered.
func TestListAsksForMetrics(t *testing.T) {
	run(t, func(b *bench) {
		b.start("web", 0)
		b.start("none", 0, func(o *spec.Options) { o.Metrics = new(false) })
		b.start("shell", 0, func(o *spec.Options) { o.Interpreter = new("bash") })
		b.took()
		list := func(want string, wait time.Duration, metrics int) {
			t.Helper()
			began := time.Now()
			snap, err := b.sup.List(b.ctx, event.Query{Metrics: true})
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took != wait {
				t.Errorf("the list took %v, want %v", took, wait)
			}
			said := snap.Instances[0].Said
			if got := said != nil && len(said.Monitor) > 0; got != (metrics > 0) {
				t.Errorf("metrics: %+v", said)
			}
			b.wantActs(want)
		}
		list("ask 0.1", 0, 0) // it was not started with them
		b.edge.tells = -1
		list("ask 0.1", metricsTime, 0)
		list("", metricsTime, 0)
		b.sup.Report(keyOf(0, 1), messageOf(`{"type":"axm:monitor","answer":true,"data":{"a":{"value":1}}}`))
		b.edge.tells = 3 * ms
		list("ask 0.1", 3*ms, 1)
		list("ask 0.1", 3*ms, 1)
		if _, err := b.sup.List(b.ctx, event.Query{Usage: true}); err != nil {
			t.Fatal(err)
		}
		b.wantActs("")

		// One that ends is not waited for.
		b.edge.tells = -1
		go func() {
			b.wait(5 * ms)
			_, _ = b.sup.Stop(b.ctx, act("web"))
		}()
		began := time.Now()
		if _, err := b.sup.List(b.ctx, event.Query{Metrics: true}); err != nil || time.Since(began) != 5*ms {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		b.wait(0)
	})
}
