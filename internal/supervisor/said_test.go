package supervisor

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/runner"
)

func (b *bench) says(gen uint64, messages ...string) {
	for _, m := range messages {
		b.sup.Report(keyOf(0, gen), runner.Message{Data: json.RawMessage(m)})
	}
	b.wait(0)
}

// What a process tells of itself is kept with it; all else is for observers.
func TestSaid(t *testing.T) {
	run(t, func(b *bench) {
		b.start("web", 0)
		var topics []string
		ctx, cancel := context.WithCancel(b.ctx)
		defer cancel()
		go func() {
			_ = b.sup.Watch(ctx, "", func(ev event.Event) error {
				if ev.Type != event.Begin {
					topics = append(topics, fmt.Sprint(ev.Type, " ", ev.Topic, " ", string(ev.Message)))
				}
				return nil
			})
		}()
		b.wait(0)
		b.says(1,
			`{"type":"axm:monitor","data":{"a":{"value":1},"b":{"value":2}}}`,
			`{"type":"axm:monitor","data":{"a":{"value":3}}}`,
			`{"type":"axm:action","data":{"action_name":"x","arity":0}}`,
			`{"type":"axm:action","data":{"action_name":"x","arity":1}}`,
			`{"type":"axm:action","data":{"none":1}}`,
			`{"type":"axm:action","data":7}`,
			`{"type":"axm:option:configuration","data":{"k":true}}`,
			`{"node_version":"v22"}`,
			`{"type":"human:event","data":1}`, `"text"`, `{"a":1}`, `{"type":"axm:reply","data":{"return":1}}`,
		)
		b.says(7, `{"type":"axm:monitor","data":{"a":{"value":9}}}`) // of no life there is
		const want = `{"monitor":{"a":{"value":3},"b":{"value":2}},"actions":[{"action_name":"x","arity":1}],"options":{"k":true},"node_version":"v22"}`
		if got, _ := json.Marshal(b.get(0).Said); string(got) != want {
			t.Errorf("%s", got)
		}
		told := strings.Join(topics, "; ")
		if told != `message human:event {"type":"human:event","data":1}; message process:msg "text"; message process:msg {"a":1}; `+
			`message axm:reply {"type":"axm:reply","data":{"return":1}}` {
			t.Error(told)
		}
		b.crash() // what is told again soon is not remembered
		if got, _ := json.Marshal(b.get(0).Said); string(got) != strings.Replace(want, `"monitor":{"a":{"value":3},"b":{"value":2}},`, "", 1) {
			t.Errorf("after a crash: %s", got)
		}
		if _, err := b.sup.Restart(b.ctx, act("web")); err != nil {
			t.Fatal(err)
		}
		if said := b.get(0).Said; said != nil {
			t.Errorf("a new process has told nothing yet: %+v", said)
		}
	})
}

// A process cannot fill the daemon with what it tells.
func TestSaidIsBounded(t *testing.T) {
	run(t, func(b *bench) {
		b.start("web", 0)
		for i := range 2 * mostSaid {
			b.says(1, fmt.Sprintf(`{"type":"axm:monitor","data":{"m%d":{"value":1}}}`, i), fmt.Sprintf(`{"type":"axm:action","data":{"action_name":"a%d"}}`, i))
		}
		b.says(1, `{"type":"axm:option:configuration","data":{"k":"`+strings.Repeat("x", mostBytes)+`"}}`)
		if s := b.get(0).Said; len(s.Monitor) != mostSaid || len(s.Actions) != mostSaid || s.Options != nil {
			t.Errorf("%d metrics, %d actions, %d options", len(s.Monitor), len(s.Actions), len(s.Options))
		}
	})
}

func TestMessage(t *testing.T) {
	run(t, func(b *bench) {
		b.start("web", 0)
		b.took()
		if err := b.sup.Message(b.ctx, 0, json.RawMessage(`{"topic":"x"}`)); err != nil {
			t.Error(err)
		}
		b.wantActs(`send 0.1 {"topic":"x"}`)
		wantFault(t, b.sup.Message(b.ctx, 9, json.RawMessage("1")), fault.NotFound, "no instance 9")
		wantFault(t, b.sup.Message(b.ctx, 0, json.RawMessage("text")), fault.Invalid, "is not JSON")
		wantFault(t, b.sup.Message(b.ctx, 0, json.RawMessage(`{"cmd":"NODE_CLUSTER"}`)), fault.Invalid, "NODE_")
		if _, err := b.sup.Stop(b.ctx, act("web")); err != nil {
			t.Error(err)
		}
		b.wait(time.Second)
		wantFault(t, b.sup.Message(b.ctx, 0, json.RawMessage("1")), fault.NotRunning, "it is not running")
	})
}
