package runner

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/spec"
)

func TestAProcessFromItsSpawnToItsEnd(t *testing.T) {
	g := newRig(t)
	k := g.spawn(g.spec("out=hello", "err=oops", "exit=3"))
	gone := await[Gone](g, k)
	if got := g.names(k); got != "Spawned Disconnected Exited Gone" {
		t.Errorf("reports: %s", got)
	}
	exit := await[Exited](g, k)
	want := event.Exit{Gen: 7, PID: await[Spawned](g, k).PID, Code: 3, At: exit.Exit.At}
	if diff := cmp.Diff(want, exit.Exit); diff != "" {
		t.Error(diff)
	}
	if !slices.Contains(exit.Log, "oops") || !slices.Contains(gone.Log, "hello") {
		t.Errorf("last lines %q, then %q", exit.Log, gone.Log)
	}
	if out, err := g.content("a-out.log"), g.content("a-error.log"); out != "hello\n" || err != "oops\n" {
		t.Errorf("on file: %q and %q", out, err)
	}
	if len(g.r.lives) != 0 {
		t.Error("the life is kept")
	}
}

func TestASignalIsNamed(t *testing.T) {
	g := newRig(t)
	k := g.spawn(g.spec("kill"))
	if e := await[Exited](g, k).Exit; e.Code != -1 || e.Signal != "SIGKILL" {
		t.Errorf("got %+v", e)
	}
	await[Gone](g, k)
}

func TestWhatTheProcessIsTold(t *testing.T) {
	g := newRig(t)
	names := []string{
		"name", "namespace", "pm_id", "NODE_APP_INSTANCE", "instances", "exec_mode", "pm_exec_path", "pm_cwd", "restart_time",
		"TEND_HOME", "NODE_CHANNEL_FD", "NODE_UNIQUE_ID", "WATCH_REPORT_DEPENDENCIES", "OWN", "PWD",
	}
	var args []string
	for _, n := range names {
		args = append(args, "env="+n)
	}
	a := g.spec(args...)
	a.Env["OWN"] = "x y"
	a.Env["NODE_UNIQUE_ID"] = "17" // of the Node that started us
	a.Env["WATCH_REPORT_DEPENDENCIES"] = "1"
	k := g.spawn(a)
	want := []string{
		"name=a", "namespace=default", "pm_id=3", "NODE_APP_INSTANCE=2", "instances=1", "exec_mode=fork_mode",
		"pm_exec_path=" + a.Script, "pm_cwd=" + g.dir, "restart_time=5", "TEND_HOME=" + g.dir, "NODE_CHANNEL_FD=3",
		"NODE_UNIQUE_ID=", "WATCH_REPORT_DEPENDENCIES=", "OWN=x y", "PWD=" + g.dir,
	}
	if diff := cmp.Diff(want, await[Gone](g, k).Log); diff != "" {
		t.Error(diff)
	}
}

func TestHowAProgramIsCalled(t *testing.T) {
	for _, test := range []struct {
		app         spec.App
		path, argv0 string
		args        []string
	}{
		{spec.App{Script: "/b/x", Args: []string{"1"}}, "/b/x", "", []string{"1"}},
		{
			spec.App{Script: "/a.js", Interpreter: "/n/node", InterpreterArgs: []string{"--x"}, Args: []string{"1"}, Runtime: spec.Node},
			"/n/node", "node",
			[]string{"--x", "/a.js", "1"},
		},
		{spec.App{Script: "/a.py", Interpreter: "/venv/bin/python"}, "/venv/bin/python", "", []string{"/a.py"}},
		{spec.App{Script: "a | b", Shell: true, Interpreter: "/bin/bash"}, "/bin/bash", "", []string{"-c", "a | b"}},
		{spec.App{Script: "a $1", Shell: true, Args: []string{"1"}}, "/bin/sh", "", []string{"-c", "a $1", "sh", "1"}},
	} {
		l := &life{r: &Runner{}, spawn: Spawn{App: test.app}}
		path, argv0, args := l.program()
		if path != test.path || argv0 != test.argv0 || !slices.Equal(args, test.args) {
			t.Errorf("%+v: %q %q %q", test.app, path, argv0, args)
		}
	}
}

func TestPythonIsUnbuffered(t *testing.T) {
	l := &life{r: &Runner{}, spawn: Spawn{App: spec.App{Interpreter: "/usr/bin/python3.12"}}}
	if !slices.Contains(l.environment(nil), "PYTHONUNBUFFERED=1") {
		t.Error("it is not")
	}
}

func TestMessages(t *testing.T) {
	g := newRig(t)
	k := g.spawn(g.spec(`say="ready"`, `say={"type":"process:msg","data":{"n":1}}`, `say={"act":"suicide"}`, `say=[1,"ready"]`, "exit=0"))
	await[Gone](g, k)
	if got := g.names(k); got != "Spawned Ready Message Leaving Message Disconnected Exited Gone" {
		t.Errorf("reports: %s", got)
	}
	if m := await[Message](g, k); string(m.Data) != `{"type":"process:msg","data":{"n":1}}` || !json.Valid(m.Data) {
		t.Errorf("got %s", m.Data)
	}
}

func TestGarbageOnTheChannelHurtsNobody(t *testing.T) {
	g := newRig(t)
	k := g.spawn(g.spec("flood", "out=alive", "exit=0"))
	log := await[Gone](g, k).Log
	if !cmp.Equal(log, []string{"flooded", "alive"}) {
		t.Errorf("log %q", log)
	}
	if e := await[Exited](g, k).Exit; e.Code != 0 {
		t.Errorf("ended with %+v", e)
	}
}

func TestSend(t *testing.T) {
	g := newRig(t)
	k := g.spawn(g.spec("hear", "exit=0"))
	await[Spawned](g, k)
	if err := g.r.Send(k, []byte(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	if log := await[Gone](g, k).Log; !cmp.Equal(log, []string{`heard {"a":1}`}) {
		t.Errorf("log %q", log)
	}
	if err := g.r.Send(k, []byte(`1`)); fault.CodeOf(err) != fault.NotRunning {
		t.Errorf("to the dead: %v", err)
	}
}

func TestManyMessagesToOneThatDoesNotRead(t *testing.T) {
	g := newRig(t)
	k := g.spawn(g.spec("echo", "hear", "exit=0"))
	await[Spawned](g, k)
	big := []byte(`"` + strings.Repeat("x", 1<<20) + `"`)
	for i := range 100 {
		err := g.r.Send(k, big)
		if fault.CodeOf(err) == fault.Timeout {
			break
		}
		if err != nil || i == 99 {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	g.r.WriteLine(k, "end")
	await[Gone](g, k)
}

func TestWriteLine(t *testing.T) {
	g := newRig(t)
	k := g.spawn(g.spec("echo", "wait"))
	await[Spawned](g, k)
	for _, line := range []string{"one", "two", "end"} {
		if err := g.r.WriteLine(k, line); err != nil {
			t.Fatal(err)
		}
	}
	g.awaitOutput(k, "got two")
	// It reads no more: the pipe fills, and the writer is told in time.
	err := g.r.WriteLine(k, strings.Repeat("x", 1<<20))
	if fault.CodeOf(err) != fault.Timeout {
		t.Errorf("to one that does not read: %v", err)
	}
	g.r.Kill(k)
	await[Gone](g, k)
	if err := g.r.WriteLine(k, "x"); fault.CodeOf(err) != fault.NotRunning {
		t.Errorf("to the dead: %v", err)
	}
}

func TestTerminateAndKill(t *testing.T) {
	g := newRig(t)
	k := g.spawn(g.spec("out=up", "wait"))
	g.awaitOutput(k, "up")
	g.r.Terminate(k)
	if e := await[Exited](g, k).Exit; e.Signal != "SIGTERM" {
		t.Errorf("ended with %+v", e)
	}
	await[Gone](g, k)

	k2 := Key{ID: 4, Gen: 1}
	a := g.spec("ignore", "out=up", "wait")
	a.KillTimeout = time.Minute
	g.r.Spawn(Spawn{Key: k2, App: a})
	g.awaitOutput(k2, "up")
	g.r.Terminate(k2)
	g.r.Kill(k2)
	if e := await[Exited](g, k2).Exit; e.Signal != "SIGKILL" {
		t.Errorf("ended with %+v", e)
	}
	await[Gone](g, k2)
}

func TestAWishBeforeTheProcessIsThere(t *testing.T) {
	g := newRig(t)
	k := g.spawn(g.spec("wait"))
	g.r.Kill(k)
	await[Gone](g, k)
}

func TestTerminateByMessage(t *testing.T) {
	g := newRig(t)
	a := g.spec("out=up", "hear", "exit=0")
	a.StopMessage = true
	k := g.spawn(a)
	g.awaitOutput(k, "up")
	g.r.Terminate(k)
	if log := await[Gone](g, k).Log; !slices.Contains(log, `heard "shutdown"`) {
		t.Errorf("log %q", log)
	}
}

func TestTerminateToTheMainProcessAlone(t *testing.T) {
	g := newRig(t)
	a := g.spec()
	a.Script, a.Shell, a.Interpreter = `trap 'echo mine; exit 0' TERM; (trap 'echo theirs' TERM; sleep 1000 & wait) & echo up; wait`, true, "/bin/sh"
	a.TreeKill = false
	k := g.spawn(a)
	g.awaitOutput(k, "up")
	g.r.Terminate(k)
	if log := await[Gone](g, k).Log; !slices.Contains(log, "mine") || slices.Contains(log, "theirs") {
		t.Errorf("log %q", log)
	}
}

// A shell is gone at once; the program in it has the grace to finish.
func TestTheRestOfATerminatedTreeHasItsGrace(t *testing.T) {
	g := newRig(t)
	a := g.spec()
	a.Script, a.Shell, a.Interpreter = `(trap 'sleep 0.3; echo finished; exit' TERM; echo up; while :; do sleep 0.05; done) & wait`, true, "/bin/sh"
	a.KillTimeout = 10 * time.Second
	k := g.spawn(a)
	g.awaitOutput(k, "up")
	g.r.Terminate(k)
	if log := await[Gone](g, k).Log; !slices.Contains(log, "finished") {
		t.Errorf("log %q", log)
	}
}

func TestSignalGoesToTheMainProcess(t *testing.T) {
	g := newRig(t)
	k := g.spawn(g.spec("out=up", "wait"))
	g.awaitOutput(k, "up")
	if err := g.r.Signal(k, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if e := await[Exited](g, k).Exit; e.Signal != "SIGHUP" {
		t.Errorf("ended with %+v", e)
	}
	await[Gone](g, k)
	if err := g.r.Signal(k, syscall.SIGHUP); fault.CodeOf(err) != fault.NotRunning {
		t.Errorf("to the dead: %v", err)
	}
}

func TestStraysAreGoneBeforeGoneIsSaid(t *testing.T) {
	g := newRig(t)
	k := g.spawn(g.spec("stray", "exit=1"))
	log := await[Gone](g, k).Log
	if len(log) != 1 {
		t.Fatalf("log %q", log)
	}
	pid, _ := strconv.Atoi(strings.TrimPrefix(log[0], "stray "))
	if pid <= 0 || !gone(pid) {
		t.Errorf("%q lives", log[0])
	}
	if log := await[Exited](g, k).Log; len(log) != 1 {
		t.Errorf("the exit came without its last line: %q", log)
	}
}

func TestTheErrorTextOfACrashComesWithIt(t *testing.T) {
	g := newRig(t)
	for gen := range uint64(20) {
		k := Key{ID: 1, Gen: gen}
		g.r.Spawn(Spawn{Key: k, App: g.spec("err=Error: boom "+strconv.Itoa(int(gen)), "exit=1")})
		if log := await[Exited](g, k).Log; !cmp.Equal(log, []string{"Error: boom " + strconv.Itoa(int(gen))}) {
			t.Errorf("generation %d: %q", gen, log)
		}
		await[Gone](g, k)
	}
}

func TestTwoLivesOfOneInstanceShareTheLog(t *testing.T) {
	g := newRig(t)
	a := g.spec("out=one", "echo", "exit=0")
	old, next := Key{ID: 1, Gen: 1}, Key{ID: 1, Gen: 2}
	g.r.Spawn(Spawn{Key: old, App: a})
	g.awaitOutput(old, "one")
	g.r.Spawn(Spawn{Key: next, App: a})
	g.awaitOutput(next, "one")
	if err := g.r.WriteLine(old, "end"); err != nil {
		t.Fatal(err)
	}
	await[Gone](g, old)
	if err := g.r.WriteLine(next, "still"); err != nil {
		t.Fatal(err)
	}
	g.r.WriteLine(next, "end")
	await[Gone](g, next)
	if got := g.content("a-out.log"); got != "one\none\ngot still\n" {
		t.Errorf("on file %q", got)
	}
}

func TestWhatCannotBeSpawned(t *testing.T) {
	notAFolder := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(notAFolder, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*spec.App)
		code   fault.Code
		field  string
	}{
		"interpreter vanished": {func(a *spec.App) { a.Interpreter = "/nowhere/node" }, fault.NotFound, "--interpreter"},
		"program vanished":     {func(a *spec.App) { a.Script = "/nowhere/app" }, fault.NotFound, "script"},
		"not executable":       {func(a *spec.App) { a.Script = notAFolder }, fault.Denied, "script"},
		"folder vanished":      {func(a *spec.App) { a.Cwd = "/nowhere" }, fault.NotFound, "--cwd"},
		"log in a file":        {func(a *spec.App) { a.OutFile = notAFolder + "/x.log" }, fault.Invalid, ""},
		"arguments too long":   {func(a *spec.App) { a.Args = []string{strings.Repeat("x", 4<<20)} }, fault.Invalid, ""},
		"a user of no group":   {func(a *spec.App) { uid := 1<<31 - 7; a.UID = &uid }, fault.Invalid, "--uid"},
	} {
		for _, mode := range []spec.Mode{spec.Fork, spec.Cluster} {
			t.Run(name+"/"+string(mode), func(t *testing.T) {
				g := newRig(t)
				a := g.spec("exit=0")
				a.Mode = mode
				test.change(&a)
				k := g.spawn(a)
				failed := await[SpawnFailed](g, k)
				e, ok := errors.AsType[*fault.Error](failed.Err)
				if !ok || e.Code != test.code || e.Field != test.field || e.Remedy == "" {
					t.Errorf("got %#v", failed.Err)
				}
				if got := g.names(k); got != "SpawnFailed" {
					t.Errorf("reports: %s", got)
				}
			})
		}
	}
}

func TestTooManyOpenFilesIsSaidSo(t *testing.T) {
	g := newRig(t)
	k := g.spawn(g.spec("exit=0")) // what is opened once is open now
	await[Gone](g, k)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old)
	for extra := range uint64(12) { // each of its descriptors is the one too many once
		limit := old
		limit.Cur = uint64(len(entries)) + extra
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		k := Key{ID: 9, Gen: extra}
		g.r.Spawn(Spawn{Key: k, App: g.spec("exit=0")})
		for !regexp.MustCompile("SpawnFailed|Gone").MatchString(g.names(k)) {
			<-g.news
		}
		for _, rep := range g.reports(k) {
			failed, ok := rep.(SpawnFailed)
			if !ok {
				continue
			}
			if e, ok := errors.AsType[*fault.Error](failed.Err); !ok || !errors.Is(failed.Err, syscall.EMFILE) || e.Remedy == "" {
				t.Errorf("with %d more: %#v", extra, failed.Err)
			}
		}
	}
}

func TestAfterCloseNothingIsSpawned(t *testing.T) {
	g := newRig(t)
	if err := g.r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	k := g.spawn(g.spec("exit=0"))
	if err := await[SpawnFailed](g, k).Err; fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("got %v", err)
	}
}

func TestCloseLetsGoOfWhatLives(t *testing.T) {
	g := newRig(t)
	k := g.spawn(g.spec("out=up", "wait"))
	g.awaitOutput(k, "up")
	pid := await[Spawned](g, k).PID
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.r.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("closed with %v", err)
	}
	if gone(pid) {
		t.Error("the process was killed")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

func TestUsage(t *testing.T) {
	g := newRig(t)
	k := g.spawn(g.spec("out=up", "wait"))
	g.awaitOutput(k, "up")
	if u := g.r.Usage([]int{await[Spawned](g, k).PID, 0}); len(u) != 2 || u[0].RSS == 0 || u[1].RSS != 0 {
		t.Errorf("got %+v", u)
	}
	g.r.Kill(k)
	await[Gone](g, k)
}

func TestIdentity(t *testing.T) {
	if _, _, err := identity(spec.App{}); err != nil {
		t.Error(err)
	}
	uid, gid := os.Getuid(), os.Getgid()
	if cred, _, err := identity(spec.App{UID: &uid, GID: &gid}); cred != nil || err != nil {
		t.Errorf("as ourselves: %+v, %v", cred, err)
	}
	other := 1<<31 - 7
	cred, who, err := identity(spec.App{UID: &other, GID: &other})
	if err != nil || who != nil || cred == nil || cred.UID != uint32(other) || cred.GID != uint32(other) || cred.Groups != nil {
		t.Errorf("by numbers: %+v, %v, %v", cred, who, err)
	}
	root := 0
	cred, who, err = identity(spec.App{UID: &root})
	if err != nil || who == nil || who.HomeDir == "" || os.Getuid() != 0 && (cred == nil || cred.GID != 0) {
		t.Errorf("root: %+v, %+v, %v", cred, who, err)
	}
}
