package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tendproc/tend/internal/proctest"
)

// The apps of a real pm2 are taken over: from the running one, with what does not
// come up here left there, and from the dump of one that is gone.
func TestImportFromPM2(t *testing.T) {
	node := proctest.FirstNode(t)
	pm2 := filepath.Join(proctest.Modules(t), "pm2", "bin", "pm2")
	dir, bin := t.TempDir(), build(t)
	for name, text := range map[string]string{
		"lib/x.js": "", "serve.js": "require('http').createServer().listen(0)", "app.js": "setInterval(() => {}, 1e6)",
		"bad.js": "if (process.env.TEND_TREE) process.exit(3); setInterval(() => {}, 1e6)",
		"apps.config.js": `module.exports = [
			{ script: 'serve.js', name: 'web', instances: 2, exec_mode: 'cluster', args: 'a "b c"', env: { N: 1, FLAG: true, O: { x: 1 } } },
			{ script: 'app.js', name: 'job', cron_restart: '0 3 * * *', max_memory_restart: '200M', env: { FOO: 'bar' }, error_file: 'err.log', namespace: 'back', watch: ['lib'], ignore_watch: ['x'] },
			{ script: 'app.js', name: 'idle', kill_timeout: 3000 },
			{ script: 'bad.js', name: 'bad' },
		]`,
	} {
		write(t, filepath.Join(dir, name), text)
	}
	there := &program{argv: []string{node.Path, pm2}, home: filepath.Join(dir, ".pm2"), dir: dir}
	here := &program{argv: []string{filepath.Join(bin, "tend")}, home: filepath.Join(dir, ".tend"), dir: dir}
	env := []string{
		"PATH=" + filepath.Dir(node.Path) + ":" + os.Getenv("PATH"), "HOME=" + dir, "NO_COLOR=1", "PM2_HOME=" + there.home, "TEND_HOME=" + here.home,
	}
	there.env, here.env = env, env
	t.Cleanup(func() { here.run(t, "kill") })
	t.Cleanup(func() {
		if t.Failed() {
			there.run(t, "kill")
		}
	})

	there.run(t, "start", "apps.config.js")
	there.run(t, "stop", "idle")
	want := imports(t, there)
	if !strings.Contains(strings.Join(want, ""), `watch: ["lib"]`) || len(want) != 5 {
		t.Fatalf("pm2 has %q", want)
	}

	var plan struct {
		Running bool
		Apps    []struct {
			Name      string
			Instances int
			Up        bool
			Notes     []string
		}
	}
	if err := json.Unmarshal(here.run(t, "import", "pm2", "--dry-run", "--json"), &plan); err != nil || !plan.Running || len(plan.Apps) != 4 {
		t.Errorf("%+v %v", plan, err)
	}
	if _, err := os.Stat(here.home); err == nil {
		t.Error("a dry run starts a daemon")
	}

	// What does not come up here goes on there.
	cmd := exec.Command(here.argv[0], "import", "pm2", "--keep")
	cmd.Dir, cmd.Env = dir, env
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "bad is left out: it did not come up here") {
		t.Errorf("%v: %s", err, out)
	}
	others := slices.DeleteFunc(slices.Clone(want), func(r string) bool { return strings.Contains(r, "name: bad\n") })
	if diff := cmp.Diff(others, imports(t, here)); diff != "" {
		t.Errorf("imported (-pm2 +tend)\n%s", diff)
	}
	for _, r := range imports(t, there) {
		if online := strings.Contains(r, "status: online"); online != strings.Contains(r, "name: bad\n") {
			t.Errorf("left in pm2: %s", r)
		}
	}

	// Without --keep, PM2 is gone afterwards. Then what it saved counts.
	there.run(t, "delete", "bad")
	there.run(t, "start", "web", "job")
	there.run(t, "save")
	others = imports(t, there) // pm2 does not watch what it has stopped
	here.run(t, "delete", "all")
	for _, args := range [][]string{{"import", "pm2"}, {"import", "pm2", "--home", there.home}} {
		here.run(t, args...)
		if diff := cmp.Diff(others, imports(t, here)); diff != "" {
			t.Errorf("%v (-pm2 +tend)\n%s", args, diff)
		}
		if _, err := os.Stat(filepath.Join(there.home, "pm2.pid")); err == nil {
			t.Error("pm2's daemon runs on")
		}
		here.run(t, "delete", "all")
	}
}

// imports are the records of a program, without what is its own.
func imports(t *testing.T, p *program) []string {
	t.Helper()
	var all []struct {
		Name string         `json:"name"`
		Env  map[string]any `json:"pm2_env"`
	}
	out := p.run(t, "jlist")
	if err := json.Unmarshal(out[strings.IndexByte(string(out), '['):], &all); err != nil {
		t.Fatalf("jlist: %v\n%s", err, out)
	}
	var list []string
	for _, r := range all {
		var b strings.Builder
		for _, key := range []string{
			"name", "namespace", "exec_mode", "pm_exec_path", "pm_cwd", "args", "cron_restart", "max_memory_restart", "kill_timeout", "watch",
			"ignore_watch", "autorestart", "status",
		} {
			switch v := r.Env[key]; {
			case v == nil, v == false, v == 0.0, key == "kill_timeout" && v == 1600.0, key == "args" && p.plain(v) == "[]":
			default:
				b.WriteString(key + ": " + strings.ReplaceAll(p.plain(v), `["`+p.dir+"/", `["`) + "\n")
			}
		}
		if path, ok := r.Env["pm_err_log_path"].(string); ok && !strings.HasPrefix(path, p.home) {
			b.WriteString("log: " + path + "\n")
		}
		own, _ := r.Env["env"].(map[string]any)
		for _, key := range []string{"N", "FLAG", "O", "FOO"} {
			if v, ok := own[key]; ok {
				b.WriteString("env." + key + ": " + p.plain(v) + "\n")
			}
		}
		list = append(list, b.String())
	}
	slices.Sort(list)
	return list
}
