package pm2rpc

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/pm2"
)

// subscriber is one connection to the events, and what it was told of last.
type subscriber struct {
	*peer
	server *Server
	mu     sync.Mutex // guards known
	known  map[int]seen
}

// seen is an instance as it was told last.
type seen struct {
	event.Instance
	ended bool // it was to end, or had ended, since it last ran
}

// publish tells a connection everything until it closes.
func (s *Server) publish(ctx context.Context, p *peer) {
	sub := &subscriber{peer: p, server: s, known: map[int]seen{}}
	s.mu.Lock()
	s.subs[p] = true
	s.mu.Unlock()
	var wg sync.WaitGroup
	defer func() {
		s.mu.Lock()
		delete(s.subs, p)
		s.mu.Unlock()
		p.cancel()
		wg.Wait()
	}()
	wg.Go(func() {
		defer p.cancel()
		_ = s.Service.Watch(ctx, "", func(ev event.Event) error { return sub.event(ctx, ev) })
	})
	wg.Go(func() {
		defer p.cancel()
		_ = s.Service.Logs(ctx, api.LogsRequest{Follow: true}, sub.line)
	})
	_, _ = io.Copy(io.Discard, p.conn) // it says nothing; its end is all
}

func (s *Server) tellKill() {
	s.tellAll("pm2:kill", map[string]string{"status": "killed", "msg": "pm2 has been killed via CLI"})
}

func (s *Server) tellAll(topic string, what any) {
	s.mu.Lock()
	peers := slices.Collect(maps.Keys(s.subs))
	s.mu.Unlock()
	for _, p := range peers {
		_ = p.tell(topic, what) // who is gone is not told
	}
}

func (p *peer) tell(topic string, what any) error {
	part, err := jsonPart(what)
	if err != nil {
		return err
	}
	return p.send([]byte("s:"+topic), part)
}

func (sub *subscriber) line(l event.LogLine) error {
	sub.mu.Lock()
	in := sub.known[l.ID]
	sub.mu.Unlock()
	process := map[string]any{"pm_id": l.ID, "name": l.App, "rev": nil, "namespace": in.Namespace}
	return sub.tell("log:"+l.Stream, map[string]any{"process": process, "at": l.At.UnixMilli(), "data": l.Text + "\n"})
}

func (sub *subscriber) event(ctx context.Context, ev event.Event) error {
	if ev.Snapshot != nil {
		sub.mu.Lock()
		defer sub.mu.Unlock()
		clear(sub.known)
		for _, in := range ev.Snapshot.Instances {
			sub.known[in.ID] = seen{in, down(in)}
		}
		return nil
	}
	if ev.Instance == nil {
		return nil
	}
	in := *ev.Instance
	sub.mu.Lock()
	was := sub.known[in.ID]
	sub.known[in.ID] = seen{in, in.Phase != lifecycle.Running && (was.ended || down(in))}
	if ev.Type == event.Deleted {
		delete(sub.known, in.ID)
	}
	sub.mu.Unlock()
	if ev.Type == event.Message {
		return sub.message(ev, in)
	}
	list := names(ev.Type, was, in)
	if len(list) == 0 {
		return nil
	}
	if whole, err := sub.server.instance(ctx, argument{ID: []byte(strconv.Itoa(in.ID))}); err == nil {
		in.Spec = whole.Spec
	}
	for _, name := range list {
		if err := sub.tell("process:event", happened(name, in, ev.At)); err != nil {
			return err
		}
	}
	return nil
}

// down says that something or somebody wants it to end, or that it has.
func down(in event.Instance) bool {
	switch in.Phase {
	case lifecycle.Stopping, lifecycle.Stopped, lifecycle.Failed:
		return true
	}
	return false
}

// happened is what is told of a process: its record without the environment.
func happened(n named, in event.Instance, at time.Time) map[string]any {
	env := &pm2.Object{}
	if in.Spec != nil {
		env = pm2.Env(in, *in.Spec)
		env.Delete("env")
	}
	env.Set("name", in.App)
	env.Set("namespace", in.Namespace)
	env.Set("pm_id", in.ID)
	env.Set("restart_time", in.Restarts)
	env.Set("status", n.status)
	return map[string]any{"event": n.name, "manually": n.manually, "process": env, "at": millis(at)}
}

// named is an event as PM2 has it.
type named struct {
	name     string
	manually bool // somebody asked for it
	status   string
}

// ownEvents are those that names gives.
var ownEvents = []string{"start", "online", "restart", "reload", "stop", "delete", "exit", "restart overlimit"}

// names are PM2's events that one of ours stands for. PM2's command line and library
// tell of what they did themselves; here it is seen in what becomes of the process.
func names(kind event.Type, was seen, in event.Instance) []named {
	online := named{"online", false, "online"}
	switch {
	case kind == event.Exited && in.Phase == lifecycle.Failed:
		return []named{{"restart overlimit", false, "errored"}, {"exit", false, "errored"}}
	case kind == event.Exited:
		return []named{{"exit", false, "stopped"}}
	case kind == event.Deleted:
		return []named{{"delete", true, "stopped"}}
	case in.Phase == lifecycle.Running && was.Phase == lifecycle.Running && was.Gen != in.Gen:
		return []named{online, {"reload", true, "online"}}
	case was.Phase == in.Phase:
		return nil
	case in.Phase == lifecycle.Running && in.Gen == 1:
		return []named{online, {"start", true, "online"}}
	case in.Phase == lifecycle.Running && was.ended:
		return []named{online, {"restart", true, "online"}}
	case in.Phase == lifecycle.Running:
		return []named{online}
	case in.Phase == lifecycle.Stopped && in.Goal == lifecycle.Down && was.Phase == lifecycle.Stopping:
		return []named{{"stop", true, "stopped"}}
	}
	return nil
}

// message is what a process said: {type, data} by its type, anything else raw.
func (sub *subscriber) message(ev event.Event, in event.Instance) error {
	process := map[string]any{"pm_id": in.ID, "name": in.App, "namespace": in.Namespace}
	what := map[string]any{"at": millis(ev.At), "process": process}
	var typed struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if json.Unmarshal(ev.Message, &typed) == nil && typed.Type != "" && typed.Data != nil {
		what["data"] = typed.Data
	} else {
		what["raw"] = ev.Message
	}
	topic := ev.Topic
	if topic == "" {
		topic = "process:msg"
	}
	return sub.tell(topic, what)
}

func millis(t time.Time) int64 { return t.UnixMilli() }
