package cli

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tendproc/tend/internal/pm2"
)

func completed(t *testing.T, down bool, line ...string) []string {
	t.Helper()
	var out bytes.Buffer
	asked := &bytes.Buffer{}
	stdio := IO{Out: &out, Err: &out, Env: []string{"COMP_CWORD=" + itoa(len(line)-1)}}
	d := fakeDaemon{svc: &fakeService{snap: fakeSnapshot(), asked: asked}, down: down}
	if code := Run(context.Background(), append([]string{"completion", "--"}, line...), stdio, d); code != 0 {
		t.Errorf("%q: exit %d: %s", line, code, &out)
	}
	if strings.Contains(asked.String(), "started") {
		t.Errorf("%q starts a daemon", line)
	}
	return strings.Fields(out.String())
}

func itoa(n int) string { return string(rune('0' + n)) }

func TestCompletion(t *testing.T) {
	for _, tc := range []struct {
		line []string
		want []string
	}{
		{[]string{"tend", "star"}, []string{"start", "startOrGracefulReload", "startOrReload", "startOrRestart", "startorreload", "startorrestart", "startup"}},
		{[]string{"tend", "stop", "w"}, []string{"web"}},
		{[]string{"tend", "stop", "a"}, []string{"all"}},
		{[]string{"tend", "--silent", "stop", "w"}, []string{"web"}},
		{[]string{"tend", "logs", "--lines", "3", "we"}, []string{"web"}},
		{[]string{"tend", "logs", "--lines", ""}, nil},
		{[]string{"tend", "completion", ""}, []string{"bash", "fish", "zsh"}},
		{[]string{"tend", "startup", "s"}, []string{"systemd"}},
		{[]string{"tend", "import", ""}, []string{"pm2"}},
		{[]string{"tend", "logs", "--no"}, []string{"--no-color", "--nostream"}},
		{[]string{"tend", "start", "app.js", "--", "w"}, nil},
		{[]string{"tend", "nonsense", "w"}, nil},
	} {
		if diff := cmp.Diff(tc.want, completed(t, false, tc.line...), cmp.Transformer("", func(l []string) []string { return append([]string{}, l...) })); diff != "" {
			t.Errorf("%q (-want +got)\n%s", tc.line, diff)
		}
	}
	if got := completed(t, true, "tend", "stop", ""); !slices.Equal(got, []string{"all"}) {
		t.Errorf("without a daemon: %q", got)
	}
}

// A real shell completes by the script. It calls a tend that notes what it is asked.
func TestCompletionInShells(t *testing.T) {
	for shell, line := range map[string]string{
		"bash": `. "$0"; COMP_WORDS=(tend stop we); COMP_CWORD=2; _tend_completion; printf '%s\n' "${COMPREPLY[@]}"`,
		"zsh":  `compdef() { }; . "$0"; words=(tend stop we); CURRENT=3; compadd() { shift; print -l -- "$@" }; _tend_completion`,
		"fish": `source "$argv[1]"; complete -C 'tend stop we'`,
	} {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			if err != nil && shell != "bash" { // CI says which it has not
				t.Skip(shell + " is not here")
			}
			m := newFakeRoot(t, map[string]string{"tend": "echo \"$COMP_CWORD\" >>\"$CALLED\"\necho web one\necho web-two\n"})
			var script bytes.Buffer
			if code := Run(context.Background(), []string{"completion", shell}, IO{Out: &script, Err: &script}, fakeDaemon{down: true}); code != 0 {
				t.Fatalf("exit %d: %s", code, &script)
			}
			file := filepath.Join(t.TempDir(), "script")
			if err := os.WriteFile(file, script.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(path, "-c", line, file)
			cmd.Env = append(os.Environ(), "PATH="+m.bin+":"+os.Getenv("PATH"), "CALLED="+filepath.Join(m.bin, "word"))
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != "web one\nweb-two\n" {
				t.Errorf("%v %q", err, out)
			}
			called, _ := os.ReadFile(filepath.Join(m.bin, "called"))
			word, _ := os.ReadFile(filepath.Join(m.bin, "word"))
			if string(called) != "tend completion -- tend stop we\n" || string(word) != "2\n" {
				t.Errorf("called %q, word %q", called, word)
			}
		})
	}
}

func TestPM2Completion(t *testing.T) {
	home := t.TempDir()
	run := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		stdio := IO{Out: &out, Err: &out, Env: []string{"HOME=" + home, "SHELL=/bin/bash"}}
		if code := RunPM2(context.Background(), args, stdio, PM2{Home: pm2.HomeOf(func(string) string { return "" }, home), Daemon: fakeDaemon{down: true}}); code != 0 {
			t.Errorf("%q: exit %d: %s", args, code, &out)
		}
		return out.String()
	}
	rc := filepath.Join(home, ".bashrc")
	if err := os.WriteFile(rc, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	script := run("completion")
	if !strings.HasPrefix(script, pm2CompletionBegin) || !strings.HasSuffix(script, pm2CompletionEnd) {
		t.Errorf("the script is %q", script)
	}
	for _, want := range []string{"before\n" + script, "before\n" + script} { // once only
		run("completion", "install")
		if text, err := os.ReadFile(rc); err != nil || string(text) != want {
			t.Errorf("%v %q", err, text)
		}
	}
	run("completion", "uninstall")
	if text, err := os.ReadFile(rc); err != nil || string(text) != "before\n" {
		t.Errorf("%v %q", err, text)
	}
	if out := run("completion", "uninstall"); !strings.Contains(out, "nothing to do") {
		t.Errorf("again: %q", out)
	}
}

// The manual is that of the help, and a formatter takes it without a word.
func TestManual(t *testing.T) {
	pages := ManPages()
	files, err := filepath.Glob("../../docs/man/*.1")
	if err != nil || len(files) != len(pages) {
		t.Errorf("docs/man has %d pages, want %d; run: go run ./internal/tools/clidocs", len(files), len(pages))
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if diff := cmp.Diff(string(text), pages[filepath.Base(file)]); err != nil || diff != "" {
			t.Errorf("run: go run ./internal/tools/clidocs (-page +help) %v\n%s", err, diff)
		}
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("groff is not here")
	}
	cmd := exec.Command(groff, append([]string{"-man", "-Tutf8", "-ww", "-z"}, files...)...)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("groff: %v\n%s", err, out)
	}
}
