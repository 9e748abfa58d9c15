package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/spec"
)

// contract is what every way to a [api.Service] must keep: s leads to f.
func contract(t *testing.T, s api.Service, f *fake) {
	t.Run("questions", func(t *testing.T) {
		info, err := s.Ping(t.Context())
		same(t, "ping", info, sampleInfo(), err)
		for _, q := range []event.Query{{Usage: true}, {Brief: true}, {Specs: true}, {}} {
			list, err := s.List(t.Context(), q)
			same(t, "list", list, sampleSnapshot(), err)
		}
		table, err := s.List(t.Context(), event.Query{Usage: true, Table: true})
		want := sampleSnapshot()
		same(t, "table", string(event.AppendTable(nil, &table)), string(event.AppendTable(nil, &want)), err)
		for _, form := range []api.Form{api.OwnForm, api.PM2Form} {
			text, err := s.Jlist(t.Context(), form)
			same(t, "jlist", string(text), "[ {} ]\n", err)
		}
		asked(t, f, "ping", "list true false false", "list false true false", "list false false true", "list false false false",
			"list true false false", "jlist tend", "jlist pm2")
	})
	t.Run("commands", func(t *testing.T) { commands(t, s, f) })
	t.Run("errors", func(t *testing.T) { commandErrors(t, s) })
	t.Run("watch", func(t *testing.T) { watch(t, s) })
	t.Run("logs", func(t *testing.T) { logLines(t, s) })
	t.Run("end of the wait", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := s.Start(ctx, spec.Start{Word: "slow"})
			done <- err
		}()
		<-f.begun
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("error is %v, want the context's", err)
		}
		<-f.seen // and the service was told
	})
}

func commands(t *testing.T, s api.Service, f *fake) {
	f.asked()
	text, list := "4", []string{"--inspect=0"}
	start := spec.Start{
		Word: "app.js", Force: true, Options: spec.Options{Instances: &text, InterpreterArgs: &list, Env: map[string]string{"A": "1"}},
		Caller: spec.Caller{Cwd: "/srv", Env: []string{"PATH=/bin", "X=<ü>"}},
	}
	out, err := s.Start(t.Context(), start)
	same(t, "start", out, outcome(), err)
	act := spec.Act{Target: "/we.*/", Parallel: 2, Caller: spec.Caller{Cwd: "/srv", Env: []string{"A=b"}}}
	for verb, do := range map[string]func(context.Context, spec.Act) (event.Outcome, error){
		"restart": s.Restart, "reload": s.Reload, "rollback": s.Rollback, "stop": s.Stop, "delete": s.Delete, "reset": s.Reset, "annotate": s.Annotate,
	} {
		out, err := do(t.Context(), act)
		same(t, verb, out, outcome(), err)
		if got := f.asked(); got[len(got)-1] != verb+" "+encode(t, act) {
			t.Errorf("%s arrived as %s", verb, got)
		}
	}
	apply := spec.Apply{
		Apps: []spec.Declared{{Word: "app.js", Options: start.Options, Origin: "/srv/a.yml"}}, How: spec.Declaring, Prune: []string{"/srv/a.yml"},
		DryRun: true, Parallel: 2, UpdateEnv: true, Caller: start.Caller,
	}
	done, err := s.Apply(t.Context(), apply)
	same(t, "apply", done, applied(), err)
	asked(t, f, "apply "+encode(t, apply))
	out, err = s.Scale(t.Context(), "web", "+2")
	same(t, "scale", out, outcome(), err)
	out, err = s.Signal(t.Context(), "all", "SIGUSR2")
	same(t, "signal", out, outcome(), err)
	for _, err := range []error{
		s.WriteLine(t.Context(), 0, "a\tb\n"), s.Message(t.Context(), 1, json.RawMessage(`{"a":"<b>"}`)), s.Flush(t.Context(), ""), s.Flush(t.Context(), "web"), s.ReopenLogs(t.Context()), s.Kill(t.Context()),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	profile, err := s.Profile(t.Context(), api.ProfileRequest{Kind: "cpu", For: time.Second})
	same(t, "profile", profile, api.Profile{Data: []byte("\x1f\x8b<")}, err)
	if err := s.Upgrade(t.Context(), "/usr/bin/tend"); fault.CodeOf(err) != fault.Unsupported {
		t.Errorf("upgrade: %v", err)
	}
	asked(t, f, "scale web +2", "signal all SIGUSR2", `write 0 "a\tb\n"`, `message 1 {"a":"<b>"}`, `flush ""`, `flush "web"`, "reopen", "kill", "profile cpu 1s", `upgrade "/usr/bin/tend"`)
}

func commandErrors(t *testing.T, s api.Service) {
	_, err := s.Start(t.Context(), spec.Start{Word: "bad"})
	got, ok := errors.AsType[*fault.Error](err)
	if !ok {
		t.Fatalf("error is %v", err)
	}
	if diff := cmp.Diff(startFailed(), error(got)); diff != "" {
		t.Error(diff)
	}
	for word, want := range map[string]struct {
		code fault.Code
		text string
	}{
		"wrapped": {fault.NotFound, "start wrapped: script: no such file: stat: gone"},
		"bug":     {fault.Internal, "nobody thought of this"},
	} {
		_, err := s.Start(t.Context(), spec.Start{Word: word})
		if fault.CodeOf(err) != want.code || err.Error() != want.text {
			t.Errorf("%s: got %s %q, want %s %q", word, fault.CodeOf(err), err, want.code, want.text)
		}
	}
	if _, err := s.Stop(t.Context(), spec.Act{Target: "nobody"}); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("stop nobody: %v", err)
	}
	if err := s.WriteLine(t.Context(), 404, "x"); fault.CodeOf(err) != fault.NotRunning {
		t.Errorf("write to nobody: %v", err)
	}
	if err := s.Message(t.Context(), 404, json.RawMessage("1")); fault.CodeOf(err) != fault.NotRunning {
		t.Errorf("message to nobody: %v", err)
	}
}

func watch(t *testing.T, s api.Service) {
	var got []event.Event
	enough := errors.New("enough")
	err := s.Watch(t.Context(), "", func(e event.Event) error {
		got = append(got, e)
		if len(got) == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Errorf("Watch returned %v, want what its function returned", err)
	}
	if got[0].Type != event.Begin || got[2].Type != event.Message || string(got[2].Message) != `{"a":[1,"<>"]}` {
		t.Errorf("events: %s", encode(t, got))
	}
	if diff := cmp.Diff(sampleSnapshot(), *got[0].Snapshot); diff != "" {
		t.Error(diff)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = s.Watch(ctx, "", func(e event.Event) error {
		if e.Type == event.Message {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Watch returned %v after its context ended", err)
	}
}

func logLines(t *testing.T, s api.Service) {
	read := func(ctx context.Context, req api.LogsRequest) (texts []string, err error) {
		err = s.Logs(ctx, req, func(l event.LogLine) error {
			texts = append(texts, l.Text)
			return nil
		})
		return texts, err
	}
	got, err := read(t.Context(), api.LogsRequest{Target: "web", Lines: 2, Stream: "out"})
	same(t, "logs", got, []string{"line 0 <ü>", "line 1 <ü>"}, err)
	got, err = read(t.Context(), api.LogsRequest{})
	same(t, "no logs", got, nil, err)
	if _, err := read(t.Context(), api.LogsRequest{Target: "nobody"}); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("logs of nobody: %v", err)
	}
	if got, err := read(t.Context(), api.LogsRequest{Target: "broken", Lines: 1}); fault.CodeOf(err) != fault.Internal || len(got) != 1 {
		t.Errorf("logs that break off: %q, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = s.Logs(ctx, api.LogsRequest{Target: "web", Lines: 1, Follow: true}, func(event.LogLine) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("follow returned %v after its context ended", err)
	}
}

func same[T any](t *testing.T, what string, got, want T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

func asked(t *testing.T, f *fake, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, f.asked()); diff != "" {
		t.Errorf("the service was asked: %s", diff)
	}
}

func encode(t *testing.T, v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(fmt.Errorf("encode: %w", err))
	}
	return string(data)
}
