package supervisor

import (
	"encoding/json"
	"testing"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/runner"
)

// A list has the metrics that were told to the runner beside those of the program, which
// count; what else it said of itself stays. A table has none. Nobody is asked for it.
func TestListHasMetrics(t *testing.T) {
	run(t, func(b *bench) {
		b.start("web", 0)
		b.start("mute", 0)
		b.says(1, `{"type":"axm:monitor","data":{"own":{"value":1},"both":{"value":2}}}`, `{"node_version":"v22"}`)
		before := b.get(0).Said
		b.edge.told = map[runner.Key]map[string]json.RawMessage{
			keyOf(0, 1): {"both": json.RawMessage("3"), "added": json.RawMessage("4")},
			keyOf(0, 2): {"added": json.RawMessage("5")},
		}
		b.took()
		list := func(q event.Query, want string) {
			t.Helper()
			snap, err := b.sup.List(b.ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := json.Marshal(snap.Instances[0].Said); string(got) != want {
				t.Errorf("said %s, want %s", got, want)
			}
			if said := snap.Instances[1].Said; said != nil {
				t.Errorf("who tells nothing said %+v", said)
			}
		}
		list(event.Query{}, `{"monitor":{"added":4,"both":{"value":2},"own":{"value":1}},"node_version":"v22"}`)
		list(event.Query{Table: true}, `{"monitor":{"both":{"value":2},"own":{"value":1}},"node_version":"v22"}`)
		if len(before.Monitor) != 2 {
			t.Errorf("what was told before is changed: %v", before)
		}
		b.wantActs("")

		// What a life told before counts no more for the next.
		if _, err := b.sup.Restart(b.ctx, act("web")); err != nil {
			t.Fatal(err)
		}
		list(event.Query{}, `{"monitor":{"added":5}}`)
	})
}
