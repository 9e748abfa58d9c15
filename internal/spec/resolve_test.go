package spec

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tendproc/tend/internal/fault"
)

func ptr[T any](v T) *T { return &v }

// how is the part of an app that says what is executed.
func how(a App) string {
	s := fmt.Sprintf("%s: %s", a.Name, a.Mode)
	if a.Shell {
		s += " shell"
	}
	if a.Runtime != Other {
		s += " " + string(a.Runtime)
	}
	for _, part := range append(append([]string{a.Interpreter}, a.InterpreterArgs...), a.Script) {
		if part != "" {
			s += " " + part
		}
	}
	return s
}

func TestResolveChoosesTheProgram(t *testing.T) {
	for _, tc := range []struct {
		word string
		o    Options
		path string // appended to PATH
		want string
	}{
		{word: "app.js", want: "app: fork node /bin/node /srv/web/app.js"},
		{word: "./app.js", o: Options{Instances: ptr("2")}, want: "app: cluster node /bin/node /srv/web/app.js"},
		{word: "app.js", o: Options{Instances: ptr("2"), Mode: ptr("fork_mode")}, want: "app: fork node /bin/node /srv/web/app.js"},
		{word: "app.js", o: Options{Mode: ptr("cluster")}, want: "app: cluster node /bin/node /srv/web/app.js"},
		{word: "001-test.mjs", want: "001-test: fork node /bin/node /srv/web/001-test.mjs"},
		{word: "main.ts", o: Options{Instances: ptr("2")}, want: "main: cluster node /bin/node /srv/web/main.ts"},
		{word: "main.ts", o: Options{Instances: ptr("2")}, path: ":/bun", want: "main: fork bun /bun/bun /srv/web/main.ts"},
		{word: "job.py", o: Options{Instances: ptr("2")}, want: "job: fork /bin/python3 /srv/web/job.py"},
		{word: "run.sh", want: "run: fork /bin/bash /srv/web/run.sh"},
		{word: "server", want: "server: fork /srv/web/server"},
		{word: "server", o: Options{Mode: ptr("cluster"), Instances: ptr("2")}, want: "server: cluster /srv/web/server"},
		{word: "tool", want: "tool: fork /srv/web/tool"},
		{word: "pytool", want: "pytool: fork /bin/python3 -u /srv/web/pytool"},
		{word: "jstool", o: Options{Instances: ptr("max")}, want: "jstool: cluster node /bin/node --harmony /srv/web/jstool"},
		{word: "pkg", want: "pkg: fork node /bin/node /srv/web/pkg/lib/main.js"},
		{word: "./pkg", o: Options{Instances: ptr("2")}, want: "pkg: cluster node /bin/node /srv/web/pkg/lib/main.js"},
		{word: ".", o: Options{Cwd: ptr("/srv/plain.d")}, want: "plain.d: fork node /bin/node /srv/plain.d/index.js"},
		{word: ".hidden", want: ".hidden: fork node /bin/node /srv/web/.hidden"},
		{word: "ls", want: "ls: fork /bin/ls"},
		{word: "my app.js", want: "my app: fork node /bin/node /srv/web/my app.js"},
		{word: "npm run dev", want: "npm run dev: fork shell /bin/bash npm run dev"},
		{word: "node ./x/app.js", o: Options{Args: &[]string{"a b"}}, want: `app: fork shell /bin/bash node ./x/app.js "$@"`},
		{word: "deep.js", o: Options{Cwd: ptr("sub")}, want: "deep: fork node /bin/node /srv/web/sub/deep.js"},
		{word: "app.js", o: Options{Cwd: ptr("/srv")}, want: "app: fork node /bin/node /srv/web/app.js"},
		{word: "server", o: Options{Interpreter: ptr("none")}, want: "server: fork /srv/web/server"},
		{
			word: "app.js", o: Options{Interpreter: ptr("/opt/node22/bin/node"), InterpreterArgs: &[]string{"--x"}, Instances: ptr("1")},
			want: "app: cluster node /opt/node22/bin/node --x /srv/web/app.js",
		},
		{word: "app.js", o: Options{Interpreter: ptr("ruby"), Name: ptr("455")}, want: "455: fork /bin/ruby /srv/web/app.js"},
	} {
		caller := testCaller()
		caller.Env[0] += tc.path
		a, err := Resolve(testMachine(), "/logs", Start{Word: tc.word, Options: tc.o, Caller: caller})
		if err != nil {
			t.Errorf("%s: %v", tc.word, err)
			continue
		}
		if got := how(a); got != tc.want {
			t.Errorf("start %s\n got %s\nwant %s", tc.word, got, tc.want)
		}
	}
}

func TestResolveRefuses(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, tc := range []struct {
		word string
		o    Options
		code fault.Code
		want string
	}{
		{"nothing.js", Options{}, fault.NotFound, "start nothing.js: script: script not found: /srv/web/nothing.js"},
		{"nothing", Options{}, fault.NotFound, "script not found: /srv/web/nothing"},
		{"", Options{}, fault.Invalid, "no script named"},
		{"  ", Options{}, fault.Invalid, "no script named"},
		{"./sub", Options{}, fault.Invalid, "is a folder: /srv/web/sub"},
		{"secret.js", Options{}, fault.Denied, "cannot read /srv/web/secret.js"},
		{"noexec", Options{}, fault.Denied, "not executable: /srv/web/noexec"},
		{"app.js", Options{Interpreter: ptr("none")}, fault.Denied, "not executable: /srv/web/app.js"},
		{"page.tsx", Options{}, fault.NotFound, "interpreter not found: bun"},
		{"app.js", Options{Interpreter: ptr("nod")}, fault.NotFound, "--interpreter: interpreter not found: nod"},
		{"app.js", Options{Interpreter: ptr("./app.js")}, fault.Denied, "--interpreter: not executable"},
		{"app.js", Options{Cwd: ptr("/nowhere")}, fault.Invalid, "--cwd: /nowhere: no such file or directory"},
		{"app.js", Options{Cwd: ptr("app.js")}, fault.Invalid, "--cwd: not a folder: /srv/web/app.js"},
		{"app.js", Options{Cwd: ptr("/srv/closed")}, fault.Denied, "--cwd: folder cannot be read: /srv/closed"},
		{"app.js", Options{Instances: ptr("many")}, fault.Invalid, "--instances"},
		{"app.js", Options{Instances: ptr("99999")}, fault.Invalid, "--instances"},
		{"app.js", Options{Mode: ptr("spoon")}, fault.Invalid, "--exec-mode: no such mode: spoon"},
		{"app.js", Options{Scheduler: ptr("shared")}, fault.Invalid, "--scheduler: is for cluster mode"},
		{"app.js", Options{Scheduler: ptr("best"), Instances: ptr("2")}, fault.Invalid, "--scheduler: no such scheduler: best"},
		{"npm start", Options{Mode: ptr("cluster")}, fault.Invalid, "--exec-mode: a shell line cannot be a cluster worker"},
		{"app.js", Options{Name: ptr("all")}, fault.Invalid, "--name: all means every app"},
		{"app.js", Options{Name: ptr("/x/")}, fault.Invalid, "--name: words between slashes"},
		{"app.js", Options{Name: ptr("a\x1b[31mb")}, fault.Invalid, "--name: holds characters"},
		{"app.js", Options{Name: &long}, fault.Invalid, "--name: is longer"},
		{"app.js", Options{Env: map[string]string{"A=B": "c"}}, fault.Invalid, "--env: not a variable"},
		{"app.js", Options{KillTimeout: ptr(-2 * time.Second)}, fault.Invalid, "--kill-timeout: -2s is negative"},
		{"app.js", Options{RestartDelay: ptr(1000 * time.Hour)}, fault.Invalid, "--restart-delay: 1000h0m0s is too long"},
		{"app.js", Options{StopExitCodes: &[]int{256}}, fault.Invalid, "--stop-exit-codes: 256 is not an exit code"},
		{"app.js", Options{StopSignal: ptr("SIGFOO")}, fault.Invalid, "--stop-signal: cannot stop with SIGFOO"},
		{"app.js", Options{UID: ptr("bob")}, fault.NotFound, "--uid: no such user: bob"},
		{"app.js", Options{GID: ptr("bob")}, fault.NotFound, "--gid: no such group: bob"},
		{"app.js", Options{OutFile: ptr("/srv/web")}, fault.Invalid, "--output: is a folder: /srv/web"},
		{"app.js", Options{LogMode: ptr("all.log")}, fault.Unsupported, "--log: only raw is known"},
		{"server", Options{InterpreterArgs: &[]string{"--x"}}, fault.Invalid, "--interpreter-args: there is no interpreter"},
		{"ecosystem.config.js", Options{}, fault.Unsupported, "is a configuration file, which the daemon does not read"},
		{"-", Options{}, fault.Unsupported, "is a configuration file, which the daemon does not read"},
	} {
		_, err := Resolve(testMachine(), "/logs", Start{Word: tc.word, Options: tc.o, Caller: testCaller()})
		if fault.CodeOf(err) != tc.code || err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("start %s:\n got %s: %v\nwant %s: …%s", tc.word, fault.CodeOf(err), err, tc.code, tc.want)
		}
	}
}

func TestResolveFillsInTheRest(t *testing.T) {
	a, err := Resolve(testMachine(), "/logs", Start{
		Word: "job.py", Caller: testCaller(),
		Options: Options{Name: ptr("mail/é"), Env: map[string]string{"A": "2", "B": "3"}, OutFile: ptr("~/x/out.log")},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := App{
		Name: "mail/é", Namespace: "default", Script: "/srv/web/job.py", Interpreter: "/bin/python3",
		Mode: Fork, Instances: 1, Cwd: "/srv/web",
		Env: map[string]string{
			"PATH": "/bin:/usr/bin", "HOME": "/home/ann", "A": "2", "B": "3", "PWD": "/srv/web", "PYTHONUNBUFFERED": "1",
		},
		OutFile: "/home/ann/x/out.log", ErrorFile: "/logs/mail---error.log",
		Autorestart: true, MaxRestarts: 16, MinUptime: time.Second,
		StopSignal: "SIGTERM", KillTimeout: 1600 * time.Millisecond, Drain: true, DrainTimeout: 10 * time.Second, TreeKill: true, ListenTimeout: 30 * time.Second,
		InstanceVar: "NODE_APP_INSTANCE", Version: "1.2.3", Own: []string{"A", "B"},
	}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestCallersInsideAnAppLeaveItsVariablesBehind(t *testing.T) {
	c := testCaller()
	c.Env = append(c.Env, "pm_id=3", "name=web", "NODE_APP_INSTANCE=1", "NODE_CHANNEL_FD=3", "TEND_HOME=/t")
	a, err := Resolve(testMachine(), "/logs", Start{Word: "app.js", Caller: c})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"pm_id", "name", "NODE_APP_INSTANCE", "NODE_CHANNEL_FD"} {
		if v, ok := a.Env[key]; ok {
			t.Errorf("%s=%s was handed on", key, v)
		}
	}
	if a.Env["TEND_HOME"] != "/t" || a.StopSignal != "SIGINT" {
		t.Errorf("TEND_HOME %q, stop signal %s", a.Env["TEND_HOME"], a.StopSignal)
	}
}

func TestWith(t *testing.T) {
	m := testMachine()
	base, err := Resolve(m, "/logs", Start{
		Word: "app.js", Caller: testCaller(),
		Options: Options{Instances: ptr("2"), InterpreterArgs: &[]string{"--harmony"}, KillTimeout: ptr(5 * time.Second)},
	})
	if err != nil {
		t.Fatal(err)
	}
	later := Caller{Cwd: "/srv", Env: []string{"PATH=/bin", "A=9", "NEW=1"}}
	before := maps.Clone(base.Env) // which other apps may have, too
	with := func(o Options) App {
		t.Helper()
		a, err := base.With(m, o, later)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, base.Env); diff != "" {
			t.Fatalf("%+v: the app that was has another environment:\n%s", o, diff)
		}
		return a
	}
	if diff := cmp.Diff(base, with(Options{})); diff != "" {
		t.Errorf("nothing given changed the app:\n%s", diff)
	}
	if a := with(Options{UpdateEnv: true}); a.Env["A"] != "9" || a.Env["NEW"] != "1" || a.Env["HOME"] != "/home/ann" || base.Env["A"] != "1" {
		t.Errorf("update-env: %v, and before: %v", a.Env, base.Env)
	}
	if a := with(Options{InterpreterArgs: &[]string{"null"}, KillTimeout: ptr(time.Duration(Reset))}); a.InterpreterArgs != nil || a.KillTimeout != DefaultKillTimeout {
		t.Errorf("null: %v, %v", a.InterpreterArgs, a.KillTimeout)
	}
	if a := with(Options{Name: ptr("site")}); a.Name != "site" || a.OutFile != base.OutFile {
		t.Errorf("rename: %s, %s", a.Name, a.OutFile)
	}
	if a := with(Options{Interpreter: ptr("python3"), Env: map[string]string{"B": "2"}}); a.Env["PYTHONUNBUFFERED"] != "1" || a.Env["B"] != "2" {
		t.Errorf("python3: %v", a.Env)
	}
	if a := with(Options{UID: ptr("ann"), Cwd: ptr("/srv"), FilterEnv: &[]string{"A"}, UpdateEnv: true}); a.Env["PWD"] != "/srv" || a.KeepEnv(base).Env["PWD"] != "/srv" {
		t.Errorf("as ann: %v", a.Env)
	}
	with(Options{})
	if a := with(Options{Interpreter: ptr("ruby")}); a.Mode != Fork || a.StopSignal != "SIGTERM" || a.Scheduler != "" {
		t.Errorf("ruby: %s %s %s", a.Mode, a.StopSignal, a.Scheduler)
	}
	if _, err := base.With(m, Options{Cwd: ptr("gone")}, later); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("--cwd gone: %v", err)
	}
}

func TestLogPaths(t *testing.T) {
	for _, tc := range []struct {
		a    App
		want string
	}{
		{App{OutFile: "/l/a-out.log"}, "/l/a-out.log"},
		{App{OutFile: "/l/a-out.log", Numbered: true}, "/l/a-out-3.log"},
		{App{OutFile: "/l/a-out.log", Mode: Cluster}, "/l/a-out-3.log"},
		{App{OutFile: "/l/a-out.log", Mode: Cluster, MergeLogs: true}, "/l/a-out.log"},
		{App{OutFile: "/l/a.txt", Numbered: true}, "/l/a.txt"},
		{App{OutFile: NoLog, Numbered: true}, NoLog},
	} {
		if got, _ := tc.a.LogPaths(3); got != tc.want {
			t.Errorf("%+v: got %s, want %s", tc.a, got, tc.want)
		}
	}
}

// Whatever is asked for, the answer is a complete app or a fault that says
// what is wrong.
func TestResolveAnything(t *testing.T) {
	m := testMachine()
	word := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"app.js", "server", "tool", "npm run x", "ls", "job.py", "./sub", "main.ts"}))
	maybe := func(t *rapid.T, label string, more ...string) *string {
		if !rapid.Bool().Draw(t, label+"?") {
			return nil
		}
		return ptr(rapid.OneOf(rapid.String(), rapid.SampledFrom(append(more, "null", ""))).Draw(t, label))
	}
	rapid.Check(t, func(t *rapid.T) {
		o := Options{
			Name: maybe(t, "name", "web"), Namespace: maybe(t, "namespace"), Cwd: maybe(t, "cwd", "sub", "/srv"),
			Instances: maybe(t, "instances", "2", "max"), Mode: maybe(t, "mode", "cluster", "fork"),
			Scheduler: maybe(t, "scheduler", "shared"), Interpreter: maybe(t, "interpreter", "none", "node", "ruby"),
			OutFile: maybe(t, "out", "x.log", "~/x"), StopSignal: maybe(t, "signal", "term"), UID: maybe(t, "uid", "ann"),
		}
		a, err := Resolve(m, "/logs", Start{Word: word.Draw(t, "word"), Options: o, Caller: testCaller()})
		if err != nil {
			if e, ok := err.(*fault.Error); !ok || e.Message == "" || e.Op == "" {
				t.Fatalf("not a fault that says what is wrong: %#v", err)
			}
			return
		}
		if a.Name == "" || a.Namespace == "" || a.Script == "" || a.Cwd[0] != '/' || a.OutFile[0] != '/' || a.ErrorFile[0] != '/' ||
			a.Instances < 1 || a.StopSignal == "" || a.Shell && a.Mode == Cluster || (a.Mode == Cluster) != (a.Scheduler != "") {
			t.Fatalf("not complete: %+v", a)
		}
		if again, err := a.With(m, Options{}, testCaller()); err != nil || !cmp.Equal(a, again) {
			t.Fatalf("With nothing: %v\n%s", err, cmp.Diff(a, again))
		}
	})
}

// PM2's variables stand for flags that are not given.
func TestResolveReadsPM2Variables(t *testing.T) {
	caller := testCaller()
	caller.Env = append(caller.Env, "PM2_KILL_SIGNAL=SIGTERM", "PM2_KILL_TIMEOUT=3000", "PM2_KILL_USE_MESSAGE=1")
	a, err := Resolve(testMachine(), "/logs", Start{Word: "app.js", Caller: caller})
	if err != nil || a.StopSignal != "SIGTERM" || a.KillTimeout != 3*time.Second || !a.StopMessage {
		t.Errorf("%+v, %v", a, err)
	}
	o := Options{StopSignal: ptr("HUP"), KillTimeout: ptr(time.Second), StopMessage: ptr(false)}
	a, err = Resolve(testMachine(), "/logs", Start{Word: "app.js", Options: o, Caller: caller})
	if err != nil || a.StopSignal != "SIGHUP" || a.KillTimeout != time.Second || a.StopMessage {
		t.Errorf("%+v, %v", a, err)
	}
}
