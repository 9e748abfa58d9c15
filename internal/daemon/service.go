package daemon

import (
	"context"
	"encoding/json"
	"regexp"
	"sync"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/logs"
	"github.com/tendproc/tend/internal/pm2"
	"github.com/tendproc/tend/internal/spec"
	"github.com/tendproc/tend/internal/supervisor"
)

// apps is what can be asked of apps and their logs.
type apps struct {
	*supervisor.Supervisor
	logs *logs.Store

	measured sync.Mutex // held while a profile is taken, and while another program takes over
}

// service is that and what only the daemon knows.
type service struct {
	apps
	daemon *daemon
}

var _ api.Service = (*service)(nil)

func (s *service) Ping(context.Context) (event.Info, error) {
	info := s.daemon.info
	info.KeeperPID = s.daemon.link.KeeperPID()
	return info, nil
}

// Kill asks run to end, and returns when every app is stopped.
func (s *service) Kill(ctx context.Context) error {
	select {
	case s.daemon.asked <- killed:
	default: // somebody asked already
	}
	select {
	case <-s.daemon.down:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Jlist makes the records here, where everything is: they are ten times what they are
// made of, and whoever asks only prints them.
func (s *apps) Jlist(ctx context.Context, form api.Form) (json.RawMessage, error) {
	theirs := form == api.PM2Form
	snap, err := s.List(ctx, event.Query{Usage: true, Brief: theirs, Specs: theirs})
	if err != nil {
		return nil, err
	}
	if theirs {
		return pm2.Jlist(snap)
	}
	return pm2.OwnJlist(snap)
}

func (s *apps) Logs(ctx context.Context, req api.LogsRequest, fn func(event.LogLine) error) error {
	if req.Stream != "" && req.Stream != "out" && req.Stream != "err" {
		return &fault.Error{Code: fault.Invalid, Op: "logs", Field: "stream", Message: `want "out", "err" or nothing`}
	}
	if req.Target == "" {
		req.Target = "all"
	}
	chosen, err := s.choose(ctx, req.Target)
	if err != nil {
		return err
	}
	read := logs.Request{Lines: req.Lines, Follow: req.Follow}
	for _, t := range targets(chosen) {
		if req.Stream == "" || req.Stream == t.Name {
			// One raw log among many is read back; alone it cannot be followed.
			t.Raw = t.Raw && req.Target != "all"
			read.Targets = append(read.Targets, t)
		}
	}
	follow := followed(req.Target, chosen)
	read.Match = func(t logs.Target) bool { return (req.Stream == "" || req.Stream == t.Name) && follow(t) }
	return s.logs.Read(ctx, read, fn)
}

func (s *apps) Flush(ctx context.Context, target string) error {
	if target == "" {
		target = "all"
	}
	chosen, err := s.choose(ctx, target)
	if err != nil {
		return err
	}
	return s.logs.Flush(targets(chosen)...)
}

func (s *apps) ReopenLogs(context.Context) error { return s.logs.Reopen() }

// instance is an instance and the app it is one of.
type instance struct {
	event.Instance
	app spec.App
}

// choose returns the instances that target names; "all" may be none.
func (s *apps) choose(ctx context.Context, target string) ([]instance, error) {
	snapshot, err := s.List(ctx, event.Query{})
	if err != nil {
		return nil, err
	}
	apps := make(map[string]event.App, len(snapshot.Apps))
	for _, a := range snapshot.Apps {
		apps[a.Spec.Name] = a
	}
	byID := make(map[int]instance, len(snapshot.Instances))
	entries := make([]spec.Entry, 0, len(snapshot.Instances))
	for _, in := range snapshot.Instances {
		named := apps[in.App]
		app := named.Of(in.ID)
		byID[in.ID] = instance{in, app}
		entries = append(entries, spec.Entry{ID: in.ID, Name: in.App, Namespace: in.Namespace, Script: app.Script})
	}
	if target == "all" && len(entries) == 0 {
		return nil, nil
	}
	ids, err := spec.Select(entries, target, "/")
	if err != nil {
		return nil, err
	}
	chosen := make([]instance, 0, len(ids))
	for _, id := range ids {
		chosen = append(chosen, byID[id])
	}
	return chosen, nil
}

// targets are both streams of each instance.
func targets(chosen []instance) (list []logs.Target) {
	for _, in := range chosen {
		t := logs.Target{
			App: in.App, Namespace: in.Namespace, ID: in.ID, Name: "out", Path: in.OutFile,
			Also: in.app.CombinedPath(in.ID), Stamp: in.app.LogDate, Raw: in.app.LogMode == "raw",
		}
		list = append(list, t)
		t.Name, t.Path = "err", in.ErrorFile
		list = append(list, t)
	}
	return list
}

// followed tells which streams target means, those of instances to come
// included. chosen is what it means now.
func followed(target string, chosen []instance) func(logs.Target) bool {
	if target == "all" {
		return func(logs.Target) bool { return true }
	}
	if expr, ok := spec.Regex(target); ok {
		re, err := regexp.Compile(expr)
		return func(t logs.Target) bool { return err == nil && re.MatchString(t.App) }
	}
	names, ids := map[string]bool{}, map[int]bool{}
	for _, in := range chosen {
		names[in.App], ids[in.ID] = true, true
	}
	switch {
	case names[target]:
		return func(t logs.Target) bool { return t.App == target }
	case len(chosen) > 0 && chosen[0].Namespace == target:
		return func(t logs.Target) bool { return t.Namespace == target }
	case len(chosen) > 0 && chosen[0].app.Script == target:
		return func(t logs.Target) bool { return names[t.App] }
	}
	return func(t logs.Target) bool { return ids[t.ID] }
}
