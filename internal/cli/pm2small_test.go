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

	"github.com/tendproc/tend/internal/pm2"
)

// pm2In runs a command line of pm2 in dir, where no daemon is needed.
func pm2In(dir string, args ...string) (code int, out string) {
	var both bytes.Buffer
	stdio := IO{Out: &both, Err: &both, Cwd: dir, Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}}
	code = RunPM2(context.Background(), args, stdio, PM2{Home: pm2.HomeOf(func(string) string { return "" }, dir), Daemon: fakeDaemon{down: true}})
	return code, both.String()
}

func TestLogrotateFile(t *testing.T) {
	m := newFakeRoot(t, nil)
	if code, out, _ := m.pm2(false, "logrotate", "-u", "root"); code != 1 || !strings.Contains(out, "sudo env") {
		t.Errorf("not as root: %d %q", code, out)
	}
	for _, name := range []string{"../x", "no-such-user"} {
		if code, out, _ := m.pm2(true, "logrotate", "-u", name); code != 1 || !strings.Contains(out, "no user is called") {
			t.Errorf("%s: %d %q", name, code, out)
		}
	}
	if made, _ := os.ReadDir(filepath.Join(m.root, "etc")); len(made) > 0 {
		t.Errorf("made: %v", made)
	}
	for _, name := range []string{"root", "sync"} { // the group of sync is another one
		group, err := exec.Command("id", "-gn", name).Output()
		if err != nil {
			continue
		}
		code, out, _ := m.pm2(true, "logrotate", "-u", name)
		path := filepath.Join(m.root, "etc/logrotate.d/pm2-"+name)
		text, err := os.ReadFile(path)
		info, serr := os.Stat(path)
		if code != 0 || err != nil || serr != nil || info.Mode().Perm() != 0o644 {
			t.Fatalf("%d %q %v %v", code, out, err, info)
		}
		for _, want := range []string{`/.pm2/pm2.log"`, `/.pm2/logs/*.log" {`, "copytruncate\n", "su " + name + " " + string(group)} {
			if !strings.Contains(string(text), want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
	}
}

// What is generated is a module, and package packs it.
func TestModuleGeneratedAndPacked(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"", "../up", "A"} {
		if code, out := pm2In(dir, "module:generate", name); code != 1 || !strings.Contains(out, "needs a name") {
			t.Errorf("%q: %d %q", name, code, out)
		}
	}
	if code, out := pm2In(dir, "module:generate", "mine"); code != 0 {
		t.Fatalf("%d %q", code, out)
	}
	m, err := pm2.ReadModule(filepath.Join(dir, "mine"))
	if err != nil || m.Name != "mine" {
		t.Fatalf("%+v %v", m, err)
	}
	if apps, err := moduleApps(m, nil, false); err != nil || len(apps) != 1 {
		t.Errorf("%v %v", apps, err)
	}
	if code, out := pm2In(dir, "module:generate", "mine"); code != 1 || !strings.Contains(out, "there already") {
		t.Errorf("again: %d %q", code, out)
	}
	if code, out := pm2In(dir, "package", "mine"); code != 0 {
		t.Fatalf("%d %q", code, out)
	}
	list, err := exec.Command("tar", "-tzf", filepath.Join(dir, "mine/mine-v0-0-1.tar.gz")).Output()
	if err != nil {
		t.Fatal(err)
	}
	files := strings.Fields(string(list))
	slices.Sort(files)
	if want := []string{"mine/", "mine/index.js", "mine/package.json"}; !slices.Equal(files, want) {
		t.Errorf("packed: %q, want %q", files, want)
	}
}

// What is not done says what to do instead, and the page names it.
func TestRefusedCommands(t *testing.T) {
	page, err := os.ReadFile("../../docs/pm2-differences.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range refused {
		word, _, _ := strings.Cut(r.use, " ")
		dir := t.TempDir()
		code, out := pm2In(dir, word)
		if code != 1 || !strings.Contains(out, "nothing was changed") || !strings.Contains(out, r.remedy) {
			t.Errorf("%s: %d %q", word, code, out)
		}
		if made, _ := os.ReadDir(dir); len(made) > 0 {
			t.Errorf("%s made %v", word, made)
		}
		if !strings.Contains(string(page), "`"+word+"`") {
			t.Errorf("the page does not name %s", word)
		}
	}
}

// The time of --safe is one, before anything is asked.
func TestSafeTime(t *testing.T) {
	if code, out := pm2In(t.TempDir(), "install", "mine", "--safe", "soon"); code != 1 || !strings.Contains(out, "--safe") {
		t.Errorf("%d %q", code, out)
	}
}
