package pm2rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/pm2"
	"github.com/tendproc/tend/internal/spec"
)

// signal answers with all there is, as PM2 does.
func (s *Server) signal(ctx context.Context, a argument) (any, error) {
	target, err := a.target()
	if err != nil {
		return nil, err
	}
	if _, err := s.Service.Signal(ctx, target, fmt.Sprint(a.Signal)); err != nil {
		return nil, err
	}
	return s.list(ctx)
}

func (s *Server) reset(ctx context.Context, a argument) (any, error) {
	target, err := a.target()
	if err != nil {
		return nil, err
	}
	if _, err := s.Service.Reset(ctx, spec.Act{Target: target, Caller: spec.Caller{Cwd: "/"}}); err != nil {
		return nil, err
	}
	return s.list(ctx)
}

// start starts what does not run.
func (s *Server) start(ctx context.Context, a argument) (any, error) {
	in, err := s.instance(ctx, a)
	if err != nil {
		return nil, err
	}
	if in.PID > 0 {
		return nil, &fault.Error{Code: fault.Conflict, Field: "id", Message: "process already online", Remedy: "restartProcessId starts it anew."}
	}
	out, err := s.Service.Start(ctx, spec.Start{Word: spec.ByID(in.ID), Caller: spec.Caller{Cwd: "/"}})
	if err != nil {
		return nil, err
	}
	return s.one(ctx, out)
}

// duplicate adds an instance to the process's app.
func (s *Server) duplicate(ctx context.Context, a argument) (any, error) {
	in, err := s.instance(ctx, a)
	if err != nil {
		return nil, err
	}
	out, err := s.Service.Scale(ctx, in.App, "+1")
	if err != nil {
		return nil, err
	}
	if n := len(out.Instances); n > 0 {
		out.Instances = out.Instances[n-1:] // the newest has the highest id
	}
	return s.one(ctx, out)
}

// instance is the one that is meant by its id.
func (s *Server) instance(ctx context.Context, a argument) (event.Instance, error) {
	id, err := a.id()
	if err != nil {
		return event.Instance{}, err
	}
	snap, err := s.Service.List(ctx, event.Query{Brief: true, Specs: true})
	if err != nil {
		return event.Instance{}, err
	}
	for _, in := range snap.Instances {
		if in.ID == id {
			return in, nil
		}
	}
	return event.Instance{}, &fault.Error{Code: fault.NotFound, Field: "id", Message: fmt.Sprintf("%d id unknown", id), Remedy: "list shows the ids."}
}

// one is the record of what a command did to one process.
func (s *Server) one(ctx context.Context, out event.Outcome) (any, error) {
	list, err := s.records(ctx, out)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0], nil
}

// watch turns watching on or off.
func watch(o spec.Options) method {
	return func(s *Server, ctx context.Context, a argument) (any, error) {
		target, err := a.target()
		if err != nil {
			return nil, err
		}
		_, err = s.Service.Annotate(ctx, spec.Act{Target: target, Options: o, Caller: spec.Caller{Cwd: "/"}})
		return map[string]bool{"success": true}, err
	}
}

// notify tells who listens that something was done to a process. What is told of it
// anyway is not told twice.
func (s *Server) notify(ctx context.Context, a argument) (any, error) {
	in, err := s.instance(ctx, a)
	if err != nil || slices.Contains(ownEvents, a.Action) {
		return nil, err
	}
	s.tellAll("process:event", happened(named{a.Action, a.Manually, pm2.Status(in.Phase)}, in, time.Now()))
	return nil, nil
}

// message sends to one process, or to those of a name that offer the action.
func (s *Server) message(ctx context.Context, a argument) (any, error) {
	target, err := a.target()
	if err != nil {
		return nil, err
	}
	snap, err := s.Service.List(ctx, event.Query{Brief: true})
	if err != nil {
		return nil, err
	}
	message := a.all
	if a.Opts == nil && a.Msg != nil {
		message = a.Msg
	}
	sent := 0
	for _, in := range snap.Instances {
		byID := spec.ByID(in.ID) == target
		switch {
		case !byID && in.App != target:
			continue
		case offers(in, a.Msg):
		case byID:
			return nil, &fault.Error{Code: fault.NotFound, Field: "msg", Message: fmt.Sprintf("%s does not offer the action %s", in.App, a.Msg), Remedy: "axm_actions in its record has what it offers."}
		default:
			continue
		}
		if err := s.Service.Message(ctx, in.ID, message); err != nil {
			return nil, err
		}
		sent++
	}
	return map[string]any{"process_count": sent, "success": true}, nil
}

// offers says whether the process told of an action of that name.
func offers(in event.Instance, name json.RawMessage) bool {
	return in.Said != nil && slices.ContainsFunc(in.Said.Actions, func(raw json.RawMessage) bool {
		var action struct {
			Name json.RawMessage `json:"action_name"`
		}
		return json.Unmarshal(raw, &action) == nil && bytes.Equal(action.Name, name)
	})
}
