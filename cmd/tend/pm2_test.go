package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tendproc/tend/internal/proctest"
)

// configCases are configurations that pm2 and tend must take for the same. Each
// is a file, the words after start, and for a second round what the file becomes.
var configCases = []struct {
	name, file, text string
	args             []string
	again            string   // the file as it is changed
	verb             string   // for the second round
	env              []string // variables to compare besides
}{
	{
		name: "js", file: "ecosystem.config.js", env: []string{"A", "B", "C", "D", "E", "F", "G", "H", "PORT"},
		text: `module.exports = { apps: [
			{ script: 'app.js' },
			{ script: './sub/inner.js' },
			{ script: 'inner.js', cwd: 'sub', name: 'cwd', out_file: 'deep/er/o.log', error: 'NULL' },
			{ script: 'app.js', name: 'vars', env: { A: 1, B: true, C: null, D: { x: 1 }, E: [1, 2], F: 's', G: 1.5, H: 1e21 }, port: 4000 },
			{ script: 'app.js', name: 'argued', args: 'one "two three" --x=1', node_args: '--trace-warnings --no-warnings' },
			{ script: 'app.js', name: 'list', args: ['one', 2, true, 'two three'], interpreter_args: ['--trace-warnings'] },
		] }`,
	},
	{
		name: "limits", file: "limits.config.cjs",
		text: `module.exports = { apps: [
			{ script: 'app.js', name: 'texts', kill_timeout: '3000', max_restarts: '7', min_uptime: '5s', restart_delay: 100, stop_exit_codes: [0, 3] },
			{ script: 'app.js', name: 'camel', maxRestarts: 3, killTimeout: 4000, maxMemoryRestart: '100M', outFile: 'x.log', nodeArgs: '--trace-warnings' },
			{ script: 'app.js', name: 'bytes', max_memory_restart: 200000000, autorestart: false, merge_logs: true, log_date_format: 'YYYY-MM-DD', wait_ready: false, namespace: 'back' },
		] }`,
	},
	{
		name: "instances", file: "many.config.js", env: []string{"PORT", "IDX", "NODE_APP_INSTANCE"},
		text: `module.exports = [
			{ script: 'app.js', name: 'fork', exec_mode: 'fork', instances: '2', increment_var: 'PORT', instance_var: 'IDX', env: { PORT: 3000 } },
			{ script: 'serve.js', name: 'cluster', instances: 2 },
			{ script: 'serve.js', name: 'one', exec_mode: 'cluster' },
			{ script: 'app.js', name: 'shells', cmd: 'app.js', instances: 1, exec_mode: 'fork' },
		]`,
	},
	{
		name: "same script twice", file: "twice.config.js",
		text: `module.exports = [{ script: 'app.js', args: 'a' }, { script: 'app.js', args: 'b' }]`,
	},
	{
		name: "programs", file: "programs.config.js",
		text: `module.exports = [
			{ cmd: 'sleep 10000' }, { script: 'sleep', args: '10001', name: 'on-path' }, { script: 'run.sh' },
			{ script: 'run.sh', interpreter: 'sh', name: 'by-sh' }, { exec: 'app.js', exec_interpreter: 'node', name: 'by-node' },
		]`,
	},
	{
		name: "json", file: "process.json",
		text: `// pm2 takes it for an expression
			{ apps: [{ 'script': "./sub/inner.js", name: process.env.NOT_THERE || 'otherwise', args: ["a", "b"].join(''), }] }`,
	},
	{name: "json5", file: "plain.json", text: `{ "script": "app.js", /* all alone */ name: 'alone', }`},
	{
		name: "yaml", file: "apps.yml", env: []string{"A", "B", "C", "D", "F"},
		text:  "apps:\n  - script: app.js\n    name: y\n    env: {A: 1, B: yes, C: 1.0, D: 0x10, F: ~}\n    args: [1, x y]\n  - script: app.js\n    name: z\n    max_memory_restart: 1G\n    node_args: --trace-warnings\n",
		again: "apps:\n  - script: app.js\n    name: y\n    env: {A: 2, B: yes}\n    args: [z]\n  - script: app.js\n    name: z\n    max_memory_restart: 200M\n    node_args: --trace-warnings\n", verb: "restart",
	},
	{name: "one in yaml", file: "one.yaml", text: "script: app.js\n"},
	{
		name: "sections", file: "sections.config.js", env: []string{"A", "B", "Q"}, args: []string{"--env", "dev"},
		text: `module.exports = { pm2: [
			{ script: 'app.js', name: 'web', env: { A: 1, B: 1 }, env_dev: { A: 2, Q: 3 } },
			{ script: 'app.js', name: 'named', append_env_to_name: true, env_dev: { Q: 1 } },
			{ script: 'app.js', name: 'without', env: { A: 1 } },
		] }`,
	},
	{
		name: "only", file: "only.config.js", args: []string{"--only", "a,c"},
		text: `module.exports = { apps: [{ script: 'app.js', name: 'a' }, { script: 'app.js', name: 'b' }, { script: 'app.js', name: 'c' }] }`,
	},
	{
		name: "another folder", file: "sub/there.config.js",
		text: `module.exports = { apps: { script: 'sub/inner.js', error_file: 'e.log' } }`,
	},
	{
		name: "filtered", file: "filter.config.js", env: []string{"SECRET_A", "OTHER"},
		text: `module.exports = [{ script: 'app.js', filter_env: ['SECRET'] }]`,
	},
	{
		name: "module", file: "esm.config.mjs",
		text: `import path from 'node:path'; export const apps = [{ script: path.join('.', 'app.js'), name: 'esm' }]`,
	},
	{
		name: "reload", file: "reload.config.js", env: []string{"A", "B"}, verb: "startOrReload",
		text:  `module.exports = [{ script: 'serve.js', name: 'w', instances: 2, env: { A: 1 } }]`,
		again: `module.exports = [{ script: 'serve.js', name: 'w', instances: 2, args: ['x'], env: { A: 2, B: 3 } }, { script: 'app.js', name: 'new' }]`,
	},
}

var configFiles = map[string]string{
	"app.js": "setInterval(() => {}, 1e6)", "sub/inner.js": "setInterval(() => {}, 1e6)", "run.sh": "exec sleep 10000\n",
	"serve.js": "require('http').createServer().listen(0)",
}

// pm2 7.0.4 and tend start the same files; the records that come of them must be
// the same, as far as pm2's has a word.
func TestPM2TakesTheSameConfigurations(t *testing.T) {
	node := proctest.FirstNode(t)
	pm2 := filepath.Join(proctest.Modules(t), "pm2", "bin", "pm2")
	dir, bin := t.TempDir(), build(t)
	for name, text := range configFiles {
		write(t, filepath.Join(dir, name), text)
	}
	programs := map[string]*program{
		"pm2":  {argv: []string{node.Path, pm2}, home: filepath.Join(dir, ".pm2")},
		"tend": {argv: []string{filepath.Join(bin, "tend")}, home: filepath.Join(dir, ".tend")},
	}
	for _, p := range programs {
		p.dir = dir
		p.env = []string{
			"PATH=" + filepath.Dir(node.Path) + ":" + os.Getenv("PATH"), "HOME=" + dir, "SECRET_A=1", "OTHER=1", "NO_COLOR=1",
			"PM2_HOME=" + programs["pm2"].home, "TEND_HOME=" + programs["tend"].home,
		}
		t.Cleanup(func() { p.run(t, "kill") })
	}
	for _, tc := range configCases {
		t.Run(tc.name, func(t *testing.T) {
			write(t, filepath.Join(dir, tc.file), tc.text)
			compare(t, programs, append([]string{"start", tc.file}, tc.args...), tc.env)
			if tc.again != "" {
				write(t, filepath.Join(dir, tc.file), tc.again)
				compare(t, programs, []string{tc.verb, tc.file}, tc.env)
			}
			for _, p := range programs {
				p.run(t, "delete", "all")
			}
		})
	}
}

// compare runs the command with both, and compares what is then in their lists.
func compare(t *testing.T, programs map[string]*program, args, env []string) {
	t.Helper()
	got := map[string][]string{}
	for name, p := range programs {
		p.run(t, args...)
		got[name] = p.records(t, env)
	}
	if len(got["pm2"]) == 0 {
		t.Fatal("pm2 has started nothing")
	}
	// What pm2's record does not say of an app is not asked of ours.
	for i := range got["tend"] {
		if i < len(got["pm2"]) {
			got["tend"][i] = only(got["tend"][i], got["pm2"][i])
		}
	}
	if diff := cmp.Diff(got["pm2"], got["tend"]); diff != "" {
		t.Errorf("%v (-pm2 +tend)\n%s", args, diff)
	}
}

// only keeps the lines of text whose key is in model.
func only(text, model string) string {
	keys := map[string]bool{}
	for line := range strings.Lines(model) {
		key, _, _ := strings.Cut(line, ":")
		keys[key] = true
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if key, _, _ := strings.Cut(line, ":"); keys[key] {
			b.WriteString(line)
		}
	}
	return b.String()
}

// program is pm2 or tend in a home of its own.
type program struct {
	argv      []string
	dir, home string
	env       []string
}

func (p *program) run(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(p.argv[0], append(slices.Clone(p.argv[1:]), args...)...)
	cmd.Dir, cmd.Env = p.dir, p.env
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s %v: %v\n%s%s", filepath.Base(p.argv[0]), args, err, out, errs.String())
	}
	return out
}

// compared are the words of a record that say how an app runs.
var compared = []string{
	"name", "namespace", "exec_mode", "instances", "exec_interpreter", "pm_exec_path", "pm_cwd", "args", "node_args",
	"pm_out_log_path", "pm_err_log_path", "log_date_format", "autorestart", "max_restarts", "min_uptime", "restart_delay", "kill_timeout",
	"max_memory_restart", "stop_exit_codes", "wait_ready", "instance_var", "increment_var", "status",
}

var numbered = regexp.MustCompile(`-\d+\.log$`)

// records are the apps of the list, each as lines of KEY: value, sorted.
func (p *program) records(t *testing.T, env []string) (list []string) {
	t.Helper()
	var all []struct {
		Env map[string]any `json:"pm2_env"`
	}
	out := p.run(t, "jlist")
	if err := json.Unmarshal(out[strings.IndexByte(string(out), '['):], &all); err != nil {
		t.Fatalf("jlist: %v\n%s", err, out)
	}
	for _, r := range all {
		own, _ := r.Env["env"].(map[string]any)
		lines := map[string]string{}
		for _, key := range compared {
			if v, ok := r.Env[key]; ok {
				lines[key] = p.plain(v)
			}
		}
		for _, key := range env {
			if v, ok := own[key]; ok {
				lines["env."+key] = p.plain(v)
			}
			if v, ok := r.Env[key]; ok && strings.HasPrefix(key, "N") || key == "IDX" {
				lines[key] = p.plain(v)
			}
		}
		// Runs are not counted, and the number of a log file is the id's.
		var b strings.Builder
		for _, key := range slices.Sorted(maps.Keys(lines)) {
			fmt.Fprintf(&b, "%s: %s\n", key, numbered.ReplaceAllString(lines[key], "-N.log"))
		}
		list = append(list, b.String())
	}
	slices.Sort(list)
	return list
}

// plain is a value as text, without what is this program's alone.
func (p *program) plain(v any) string {
	if list, ok := v.([]any); ok {
		for i := range list {
			list[i] = fmt.Sprint(list[i])
		}
		v = list
	}
	if f, ok := v.(float64); ok && f < 1e21 {
		v = strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.3f", f), "0"), ".")
	}
	text, err := json.Marshal(v)
	if s, ok := v.(string); ok {
		text = []byte(s)
	}
	if err != nil {
		return err.Error()
	}
	return strings.ReplaceAll(string(text), p.home, "HOME")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
