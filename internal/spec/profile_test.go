package spec

import (
	"testing"
	"time"
)

func TestPM2ProfileIsWhatAnAppIsOtherwise(t *testing.T) {
	m := fakeMachine{"/srv/": "", "/srv/worker.py": "x = 1", "/bin/python3": "x:"}
	p := Profile{PM2: true, LogDir: "/h/logs", PIDDir: "/h/pids", User: "me"}
	start := Start{Word: "worker.py", Caller: Caller{Cwd: "/srv", Env: []string{"PATH=/bin"}}}
	a, err := p.Resolve(m, start)
	if err != nil {
		t.Fatal(err)
	}
	if a.StopSignal != "SIGINT" || a.ListenTimeout != 3*time.Second || a.KillTimeout != 1600*time.Millisecond || !a.PM2 || a.Username != "me" {
		t.Errorf("%+v", a)
	}
	if a.PIDPath(4) != "/h/pids/worker-4.pid" || a.OutFile != "/h/logs/worker-out.log" || a.Env["PWD"] != "" {
		t.Errorf("files %s, %s, PWD %q", a.PIDPath(4), a.OutFile, a.Env["PWD"])
	}
	own, err := Resolve(m, "/logs", start)
	if err != nil || own.StopSignal != "SIGTERM" || own.PIDPath(0) != "" || own.ListenTimeout != DefaultListenTimeout || own.Env["PWD"] == "" {
		t.Errorf("tend's own: %v %+v", err, own)
	}
	p.KillTimeout, p.StopSignal, p.InstanceVar = time.Minute, "SIGTERM", "SLOT"
	if a, err = p.Resolve(m, start); err != nil || a.KillTimeout != time.Minute || a.StopSignal != "SIGTERM" || a.InstanceVar != "SLOT" {
		t.Errorf("by the daemon's environment: %v %+v", err, a)
	}
}

func TestWhatOnlyTheRecordShows(t *testing.T) {
	m := fakeMachine{"/srv/": "", "/srv/worker.py": "x = 1", "/bin/python3": "x:"}
	name, file := "x", "all.log"
	a, err := Profile{PM2: true, LogDir: "/h/logs"}.Resolve(m, Start{
		Word: "worker.py", Caller: Caller{Cwd: "/srv", Env: []string{"PATH=/bin"}},
		Options: Options{Name: &name, LogFile: new(""), PIDFile: &file, Shown: map[string]any{"v8": true, "trace": true}, Autostart: new(false)},
	})
	if err != nil || a.LogFile != "/h/logs/x.log" || !a.NoAutostart || a.Shown["v8"] != true {
		t.Fatalf("%v %+v", err, a)
	}
	b, err := a.With(m, Options{Shown: map[string]any{"v8": nil}, LogFile: &file, InterpreterArgs: &[]string{"null"}}, Caller{Cwd: "/srv", Env: []string{"PATH=/bin"}})
	if err != nil || b.Shown["v8"] != nil || b.Shown["trace"] != true || !b.NoInterpreterArgs || b.CombinedPath(3) != a.Cwd+"/all.log" {
		t.Errorf("%v %+v", err, b)
	}
	if a.Shown["v8"] != true {
		t.Error("the declaration before was changed")
	}
}
