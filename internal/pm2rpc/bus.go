package pm2rpc

import (
	"context"
	"encoding/json"
	"io"
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
	mu    sync.Mutex // guards known
	known map[int]event.Instance
}

// publish tells a connection everything until it closes.
func (s *Server) publish(ctx context.Context, p *peer) {
	sub := &subscriber{peer: p, known: map[int]event.Instance{}}
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
		_ = s.Service.Watch(ctx, "", sub.event)
	})
	wg.Go(func() {
		defer p.cancel()
		_ = s.Service.Logs(ctx, api.LogsRequest{Follow: true}, sub.line)
	})
	_, _ = io.Copy(io.Discard, p.conn) // it says nothing; its end is all
}

func (s *Server) tellKill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.subs {
		_ = p.tell("pm2:kill", map[string]string{"status": "killed", "msg": "pm2 has been killed via CLI or API"})
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

func (sub *subscriber) event(ev event.Event) error {
	if ev.Snapshot != nil {
		sub.mu.Lock()
		defer sub.mu.Unlock()
		clear(sub.known)
		for _, in := range ev.Snapshot.Instances {
			sub.known[in.ID] = in
		}
		return nil
	}
	if ev.Instance == nil {
		return nil
	}
	in := *ev.Instance
	sub.mu.Lock()
	was := sub.known[in.ID]
	sub.known[in.ID] = in
	if ev.Type == event.Deleted {
		delete(sub.known, in.ID)
	}
	sub.mu.Unlock()
	if ev.Type == event.Message {
		return sub.message(ev, in)
	}
	for _, name := range names(ev.Type, was, in) {
		env := &pm2.Object{}
		if in.Spec != nil {
			env = pm2.Env(in, *in.Spec)
			env.Delete("env")
		}
		env.Set("name", in.App)
		env.Set("namespace", in.Namespace)
		env.Set("pm_id", in.ID)
		env.Set("status", pm2.Status(in.Phase))
		env.Set("restart_time", in.Restarts)
		err := sub.tell("process:event", map[string]any{"event": name, "manually": in.Goal == lifecycle.Down, "process": env, "at": millis(ev.At)})
		if err != nil {
			return err
		}
	}
	return nil
}

// names are PM2's events that one of ours stands for.
func names(kind event.Type, was, in event.Instance) []string {
	switch {
	case kind == event.Exited:
		return []string{"exit"}
	case kind == event.Deleted:
		return []string{"delete"}
	case was.Phase == in.Phase:
		return nil
	case in.Phase == lifecycle.Running && in.Gen > 1:
		return []string{"restart", "online"}
	case in.Phase == lifecycle.Running:
		return []string{"start", "online"}
	case in.Phase == lifecycle.Stopped:
		return []string{"stop"}
	case in.Phase == lifecycle.Failed:
		return []string{"restart overlimit"}
	}
	return nil
}

// message is what a process said: {type, data} by its type, anything else raw.
func (sub *subscriber) message(ev event.Event, in event.Instance) error {
	process := map[string]any{"pm_id": in.ID, "name": in.App, "namespace": in.Namespace, "versioning": nil}
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
