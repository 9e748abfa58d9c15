package supervisor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/runner"
	"github.com/tendproc/tend/internal/spec"
)

// shape tells who serves ("id.gen"), who waits ("(id.gen)") and who does neither ("-").
func (b *bench) shape() string {
	var list []string
	for _, in := range b.list() {
		word := fmt.Sprintf("%d.%d", in.ID, in.Gen)
		switch {
		case in.Standby:
			word = "(" + word + ")"
		case in.Phase.String() != "running":
			word = "-"
		}
		list = append(list, word)
	}
	return strings.Join(list, " ")
}

func (b *bench) wantShape(want string) {
	b.t.Helper()
	if got := b.shape(); got != want {
		b.t.Errorf("there are %s, want %s", got, want)
	}
}

// key names the life that fills instance id.
func (b *bench) key(id int) runner.Key { return runner.Key{ID: id, Gen: b.get(id).Gen} }

// inTurn has the workers of app come up in the order of their ids.
func (b *bench) inTurn(app string) {
	b.edge.programs[app] = func(k runner.Key) program {
		p := worker
		p.listens += time.Duration(k.ID) * ms
		return p
	}
}

func standby(n int) func(*spec.Options) {
	return func(o *spec.Options) { o.Standby = &n }
}

func TestStandbyTakesOver(t *testing.T) {
	run(t, func(b *bench) {
		b.inTurn("web")
		b.start("web", 2, standby(1))
		b.wantShape("0.1 1.1 (2.1)")
		b.edge.took()
		b.edge.exit(b.key(0), 1, "")
		b.wait(2 * ms)
		if acts := b.edge.took(); !strings.Contains(acts, "route 2.1") {
			t.Errorf("2 ms after a death: %s", acts)
		}
		b.wantShape("- 1.1 2.1")
		b.wait(200 * ms)
		b.wantShape("(0.2) 1.1 2.1")
		// Nobody waits for it any more once it is let in.
		b.edge.exit(b.key(1), 1, "")
		b.edge.exit(b.key(2), 1, "")
		b.wait(200 * ms)
		if got := b.shape(); got != "0.2 1.2 (2.2)" && got != "0.2 (1.2) 2.2" {
			t.Errorf("in the end there are %s", got)
		}
	})
}

// In a reload each worker is let in before the one it replaces goes.
func TestStandbyInAReload(t *testing.T) {
	run(t, func(b *bench) {
		b.inTurn("web")
		b.start("web", 2, standby(1))
		b.edge.took()
		if _, err := b.sup.Reload(b.ctx, spec.Act{Target: "web"}); err != nil {
			t.Fatal(err)
		}
		b.wantShape("0.2 1.2 (2.2)")
		want := "spawn 0.2, route 0.2, unroute 0.1, spawn 1.2, route 1.2, unroute 1.1, spawn 2.2, unroute 2.1"
		var got []string
		for _, a := range strings.Split(b.edge.took(), ", ") {
			if verb, _, _ := strings.Cut(a, " "); slices.Contains([]string{"spawn", "route", "unroute"}, verb) && !slices.Contains(got, a) {
				got = append(got, a)
			}
		}
		if got := strings.Join(got, ", "); got != want {
			t.Errorf("%s; want %s", got, want)
		}
	})
}

// A canary serves, so it is none of those that wait: as many wait afterwards as before.
func TestStandbyIsNoCanary(t *testing.T) {
	for _, canary := range []int{1, 3} {
		run(t, func(b *bench) {
			b.inTurn("web")
			b.start("web", 2, standby(1))
			b.edge.exit(b.key(0), 1, "")
			b.wait(time.Minute)
			b.wantShape("(0.2) 1.1 2.1")
			req := act("web")
			req.Canary, req.For = canary, time.Second
			if _, err := b.sup.Reload(b.ctx, req); err != nil {
				t.Fatal(err)
			}
			b.wait(time.Minute)
			b.wantShape("(0.3) 1.2 2.2")
		})
	}
}

// Started again with another number, as many wait as before.
func TestStandbyIsSettled(t *testing.T) {
	run(t, func(b *bench) {
		b.inTurn("web")
		b.start("web", 2)
		if _, err := b.sup.Stop(b.ctx, spec.Act{Target: "web"}); err != nil {
			t.Fatal(err)
		}
		b.start("web", 2, standby(2))
		b.wantShape("0.2 1.2")
		for _, give := range []func(context.Context, spec.Act) (event.Outcome, error){b.sup.Restart, b.sup.Reload} {
			_, err := give(b.ctx, spec.Act{Target: "web", Options: spec.Options{Standby: ptr(2)}})
			wantFault(t, err, fault.Invalid, "how many wait is settled")
		}
		b.wantShape("0.2 1.2")
	})
}

func TestStandbyScaleStopAndCrash(t *testing.T) {
	run(t, func(b *bench) {
		b.inTurn("web")
		b.start("web", 1, standby(1))
		b.wantShape("0.1 (1.1)")
		if _, err := b.sup.Scale(b.ctx, "web", "2"); err != nil {
			t.Fatal(err)
		}
		b.wait(200 * ms)
		b.wantShape("0.1 1.1 (2.1)")
		b.crash()
		b.wait(200 * ms)
		b.wantShape("0.1 1.1 (2.1)")
		if _, err := b.sup.Stop(b.ctx, spec.Act{Target: "1"}); err != nil {
			t.Fatal(err)
		}
		b.wait(2 * ms)
		b.wantShape("0.1 - 2.1")
	})
}
