package supervisor

import (
	"strings"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/spec"
)

// inMode asks for target in another mode.
func inMode(target, mode string) spec.Act {
	req := act(target)
	req.Options.Mode = &mode
	return req
}

func (b *bench) wantMode(mode spec.Mode, n int) {
	b.t.Helper()
	for id := range n {
		b.wantPhase(id, lifecycle.Running)
		if got := b.get(id).Mode; got != mode {
			b.t.Errorf("%d runs in mode %s, want %s", id, got, mode)
		}
	}
}

// wantAnew wants that all had ended and their sockets were closed before one was
// spawned.
func (b *bench) wantAnew() {
	b.t.Helper()
	acts := b.took()
	if i, j := strings.LastIndex(acts, "terminate"), strings.Index(acts, "release web"); i < 0 || j < i || strings.Index(acts, "spawn") < j {
		b.t.Errorf("actions %s", acts)
	}
}

// The daemon's socket and a program's own would be in each other's way.
func TestAnotherModeEndsAllFirst(t *testing.T) {
	run(t, func(b *bench) {
		b.always("web", worker)
		b.start("web", 2)
		b.took()
		if out, err := b.sup.Reload(b.ctx, inMode("web", "fork")); err != nil || len(out.Instances) != 2 {
			t.Fatalf("%+v, %v", out, err)
		}
		b.wantAnew()
		b.wantMode(spec.Fork, 2)
		if _, err := b.sup.Rollback(b.ctx, act("web")); err != nil {
			t.Fatal(err)
		}
		b.wantMode(spec.Cluster, 2)
		b.took()
		if _, err := b.sup.Restart(b.ctx, inMode("web", "fork")); err != nil {
			t.Fatal(err)
		}
		b.wantAnew()
		b.wantMode(spec.Fork, 2)
		if _, err := b.sup.Rollback(b.ctx, act("web")); err != nil {
			t.Fatal(err)
		}
		b.wantMode(spec.Cluster, 2)
		_, err := b.sup.Reload(b.ctx, inMode("0", "fork"))
		wantFault(t, err, fault.Conflict, "web has other instances")
		canary := inMode("web", "fork")
		canary.Canary = 1
		_, err = b.sup.Reload(b.ctx, canary)
		wantFault(t, err, fault.Invalid, "old and new cannot have the same sockets")
		b.wantMode(spec.Cluster, 2)
	})
}

func TestReloadToAnotherModeGoesBack(t *testing.T) {
	run(t, func(b *bench) {
		b.gens("web", worker, program{exits: 50 * ms, code: 1, log: []string{"EADDRINUSE"}}, worker)
		b.start("web", 2)
		_, err := b.sup.Reload(b.ctx, inMode("web", "fork"))
		f := wantFault(t, err, fault.StartFailed, "exited with code 1")
		if !strings.HasSuffix(f.Message, "; all is back to what it was") || strings.Join(f.Log, "") != "EADDRINUSE" {
			t.Errorf("%+v", f)
		}
		b.wantMode(spec.Cluster, 2)
		_, err = b.sup.Rollback(b.ctx, act("web"))
		wantFault(t, err, fault.NotFound, "no earlier declaration")
		b.wait(time.Minute) // nothing is left to be done
		b.wantMode(spec.Cluster, 2)
	})
}
