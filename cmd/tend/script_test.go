package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tendproc/tend/internal/cgroup"
	"github.com/tendproc/tend/internal/proctest"
)

// patience is how long a script waits for what must come, or for what must go.
const patience = 15 * time.Second

func TestMain(m *testing.M) { proctest.Main(m) }

// Each script has a home of its own below $WORK. When it ends, tend kill must
// leave no process of it.
func TestScripts(t *testing.T) {
	bin := build(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Vars = append(env.Vars,
				"PATH="+bin+":"+nodeFolder()+os.Getenv("PATH"),
				"HOME="+env.WorkDir,
				"TEND_HOME="+filepath.Join(env.WorkDir, ".tend"),
				"NO_COLOR=1",
			)
			for _, kv := range os.Environ() {
				if strings.HasPrefix(kv, "TEND_TEST_") {
					env.Vars = append(env.Vars, kv)
				}
			}
			env.Defer(func() { cleanUp(t, bin, env) })
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if name, ok := strings.CutPrefix(cond, "has:"); ok {
				_, err := exec.LookPath(name)
				there := err == nil || name == "node" && nodeFolder() != ""
				if !there && os.Getenv("TEND_REQUIRE_NODE") == "1" {
					return false, fmt.Errorf("no %s, and TEND_REQUIRE_NODE is 1", name)
				}
				return there, nil
			}
			if cond == "cgroups" {
				return canLimit(), nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await": await, "freeport": freePort, "get": get, "capture": capture,
		},
	})
}

// build makes the binary under test: the daemon starts itself again by its
// path, so the test binary cannot play it.
func build(t *testing.T) (folder string) {
	folder = t.TempDir()
	args := []string{"build", "-o", filepath.Join(folder, "tend")}
	if raceEnabled() {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, ".")...).CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return folder
}

// raceEnabled says whether TEND_TEST_RACE asks for a binary with the race
// detector: it is five times slower to start, which some scripts would notice.
func raceEnabled() bool { return os.Getenv("TEND_TEST_RACE") == "1" }

// canLimit says whether control groups with limits on memory and CPU can be made.
func canLimit() bool {
	g := cgroup.New("tend-script")
	made, err := g.Make("probe", cgroup.Limits{Memory: 1 << 30, CPU: 1})
	made.Remove()
	g.Clean()
	return err == nil
}

// nodeFolder is the folder of the first Node at hand, with a colon after it, or "".
func nodeFolder() string {
	if _, err := exec.LookPath("node"); err == nil {
		return ""
	}
	for _, path := range filepath.SplitList(os.Getenv("TEND_TEST_NODES")) {
		if _, err := os.Stat(path); err == nil {
			return filepath.Dir(path) + ":"
		}
	}
	return ""
}

// cleanUp ends the daemon of a script and reports what is left of it.
func cleanUp(t *testing.T, bin string, env *testscript.Env) {
	kill := exec.Command(filepath.Join(bin, "tend"), "kill")
	kill.Env = env.Vars
	if out, err := kill.CombinedOutput(); err != nil {
		t.Errorf("tend kill: %v\n%s", err, out)
	}
	mark := []byte("TEND_HOME=" + env.Getenv("TEND_HOME"))
	var left []string
	if !eventually(func() bool { left = carrying(mark); return len(left) == 0 }) {
		t.Errorf("left after tend kill:\n%s", strings.Join(left, "\n"))
	}
}

// carrying lists the processes that have the mark in their environment.
func carrying(mark []byte) (found []string) {
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environs {
		if env, err := os.ReadFile(path); err == nil && bytes.Contains(env, mark) {
			cmdline, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
			found = append(found, path+": "+string(bytes.ReplaceAll(cmdline, []byte{0}, []byte{' '})))
		}
	}
	return found
}

// eventually asks again and again until ok says yes, or patience is over.
func eventually(ok func() bool) bool {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	end := time.After(patience)
	for !ok() {
		select {
		case <-ticker.C:
		case <-end:
			return ok()
		}
	}
	return true
}

// await REGEXP COMMAND… runs the command until its output matches; with "!",
// until it does not.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: await REGEXP COMMAND…")
	}
	re, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	var out string
	if !eventually(func() bool {
		_ = ts.Exec(args[1], args[2:]...) // its output tells
		out = ts.ReadFile("stdout")
		return re.MatchString(out) != neg
	}) {
		ts.Fatalf("%s: no change in %s; the last output:\n%s", strings.Join(args[1:], " "), patience, out)
	}
}

// freeport VAR… sets variables to ports that nobody listens on.
func freePort(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		_, port, _ := net.SplitHostPort(l.Addr().String())
		ts.Check(l.Close())
		ts.Setenv(name, port)
	}
}

// get PORT [N] prints the bodies of N answers on a port, one a line.
func get(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: get PORT [N]")
	}
	n := 1
	if len(args) > 1 {
		_, err := fmt.Sscan(args[1], &n)
		ts.Check(err)
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	for range n {
		resp, err := client.Get("http://127.0.0.1:" + args[0])
		if (err != nil) != neg {
			ts.Fatalf("get %s: %v", args[0], err)
		}
		if err != nil {
			return
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		ts.Check(err)
		fmt.Fprintln(ts.Stdout(), strings.TrimSpace(string(body)))
	}
}

// capture VAR sets a variable to the last standard output.
func capture(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: capture VAR")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}
