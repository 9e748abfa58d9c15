package supervisor

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/runner"
	"github.com/tendproc/tend/internal/wire"
)

// The messages by which a process tells of itself. All others are for observers.
const (
	saysMetrics = "axm:monitor"
	saysAction  = "axm:action"
	saysOptions = "axm:option:configuration"
)

// topicless is the topic of a message without a type.
const topicless = "process:msg"

// How much of itself a process may tell.
const (
	mostSaid  = 256      // metrics, actions, options
	mostBytes = 64 << 10 // of one message
)

// describes tells whether a process tells of itself in messages of a topic.
func describes(topic string) bool {
	return topic == saysMetrics || topic == saysAction || topic == saysOptions
}

// message takes what a process sent. Only what it tells of itself is decoded.
func (l *loop) message(sl *slot, k runner.Key, data json.RawMessage) {
	topic := wire.Topic(data)
	if describes(topic) {
		l.says(sl, k, topic, data)
		return
	}
	if topic == "" && l.saysVersion(sl, k, data) {
		return
	}
	l.publish(sl, messageEvent(data, l.o.Recent.cursor(l.told.said)))
}

// nodeVersion is the version that a process tells once; "" if the message is none
// that tells it.
func nodeVersion(data json.RawMessage) string {
	var m struct {
		Version string `json:"node_version"`
	}
	if len(data) >= 256 || json.Unmarshal(data, &m) != nil {
		return ""
	}
	return m.Version
}

func messageEvent(data json.RawMessage, cursor string) event.Event {
	topic := wire.Topic(data)
	if topic == "" {
		topic = topicless
	}
	return event.Event{Type: event.Message, Message: data, Topic: topic, Cursor: cursor}
}

// missed is where an observer comes in that has seen what is up to the cursor;
// "" is one that has seen nothing, and asks for nothing.
func (l *loop) missed(cursor string) event.Start {
	st := event.Start{Snapshot: l.snapshot(), Cursor: l.o.Recent.cursor(l.told.said)}
	if cursor == "" {
		return st
	}
	after, ok := l.o.Recent.position(cursor)
	if !ok {
		st.Gap = true
		return st
	}
	st.Cursor = cursor
	st.Gap = !l.o.Recent.since(after, l.told.said, func(m kept) {
		if wire.Topic(m.data) == "" && nodeVersion(m.data) != "" {
			return
		}
		ev := messageEvent(m.data, l.o.Recent.cursor(m.end))
		ev.Seq, ev.At, ev.Instance = st.Seq, m.at, &event.Instance{ID: m.id}
		if sl := l.slots[m.id]; sl != nil {
			view := sl.view
			ev.Instance = &view
		}
		st.Missed = append(st.Missed, ev)
	})
	return st
}

// says merges what the current process tells of itself.
func (l *loop) says(sl *slot, k runner.Key, topic string, data json.RawMessage) {
	var m struct {
		Data json.RawMessage `json:"data"`
	}
	if sl.key() != k || len(data) > mostBytes || json.Unmarshal(data, &m) != nil {
		return
	}
	next := sl.said()
	switch topic {
	case saysMetrics:
		next.Monitor = merged(next.Monitor, m.Data)
	case saysOptions:
		next.Options = merged(next.Options, m.Data)
	case saysAction:
		next.Actions = withAction(next.Actions, m.Data)
	}
	l.setSaid(sl, next, topic != saysMetrics)
}

// saysVersion takes the message in which PM2's agent tells Node's version.
func (l *loop) saysVersion(sl *slot, k runner.Key, data json.RawMessage) bool {
	version := nodeVersion(data)
	if sl.key() != k || version == "" {
		return false
	}
	next := sl.said()
	next.NodeVersion = version
	l.setSaid(sl, next, true)
	return true
}

// said is a copy of what the current process told of itself.
func (sl *slot) said() event.Said {
	if sl.view.Said == nil {
		return event.Said{}
	}
	return *sl.view.Said
}

// setSaid keeps what the process told. Metrics are told again, and soon: they are
// neither remembered nor an event.
func (l *loop) setSaid(sl *slot, next event.Said, lasting bool) {
	sl.view.Said = &next
	if lasting {
		l.remember(sl)
	}
}

// lasting is what is remembered of it.
func lasting(s *event.Said) *event.Said {
	if s == nil || s.Actions == nil && s.Options == nil && s.NodeVersion == "" {
		return nil
	}
	kept := *s
	kept.Monitor = nil
	return &kept
}

func merged(have map[string]json.RawMessage, data json.RawMessage) map[string]json.RawMessage {
	var more map[string]json.RawMessage
	if json.Unmarshal(data, &more) != nil || len(more)+len(have) > 2*mostSaid {
		return have
	}
	all := maps.Clone(have)
	if all == nil {
		all = map[string]json.RawMessage{}
	}
	maps.Copy(all, more)
	if len(all) > mostSaid {
		return have
	}
	return all
}

// withAction puts an action in the place of one with its name, or behind all.
func withAction(have []json.RawMessage, action json.RawMessage) []json.RawMessage {
	name := actionName(action)
	if name == "" {
		return have
	}
	list := slices.Clone(have)
	if i := slices.IndexFunc(list, func(a json.RawMessage) bool { return actionName(a) == name }); i >= 0 {
		list[i] = action
		return list
	}
	if len(list) == mostSaid {
		return have
	}
	return append(list, action)
}

func actionName(action json.RawMessage) string {
	var a struct {
		Name string `json:"action_name"`
	}
	_ = json.Unmarshal(action, &a) // no object, no name
	return a.Name
}

// Message sends a JSON value to the process of instance id, on its channel.
func (s *Supervisor) Message(ctx context.Context, id int, message json.RawMessage) error {
	in, err := s.live(ctx, "send", id)
	if err != nil {
		return err
	}
	op := "send to " + label(in)
	switch {
	case !json.Valid(message):
		return &fault.Error{Code: fault.Invalid, Op: op, Field: "message", Message: "is not JSON", Remedy: `Text is JSON with its quotes: "flush".`}
	case wire.ClassifyText(message) != wire.Ordinary:
		return &fault.Error{
			Code: fault.Invalid, Op: op, Field: "message", Message: "its cmd begins with NODE_, which is for Node's own messages", Remedy: "Choose another name.",
		}
	}
	return during(op, s.o.Runner.Send(runner.Key{ID: id, Gen: in.Gen}, message))
}
