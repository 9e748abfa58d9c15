package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tendproc/tend/internal/pm2"
)

// fakeRoot is a root folder, and a PATH on which programs note how they are called.
type fakeRoot struct {
	t         *testing.T
	root, bin string
}

func newFakeRoot(t *testing.T, programs map[string]string) fakeRoot {
	m := fakeRoot{t, t.TempDir(), t.TempDir()}
	for name, text := range programs {
		text = "#!/bin/sh\necho " + name + " \"$@\" >>" + filepath.Join(m.bin, "called") + "\n" + text
		if err := os.WriteFile(filepath.Join(m.bin, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func (m fakeRoot) pm2(root bool, args ...string) (code int, out, called string) {
	var stdout, stderr bytes.Buffer
	stdio := IO{
		Out: &stdout, Err: &stderr, Cwd: "/", Program: "/opt/tend", Root: m.root, IsRoot: root,
		Env: []string{"PATH=" + m.bin, "HOME=/home/ann", "USER=ann"},
	}
	code = RunPM2(context.Background(), args, stdio, PM2{Home: pm2.HomeOf(func(string) string { return "" }, m.root), Daemon: fakeDaemon{down: true}})
	text, _ := os.ReadFile(filepath.Join(m.bin, "called"))
	_ = os.Remove(filepath.Join(m.bin, "called"))
	return code, stdout.String() + stderr.String(), string(text)
}

func TestStartupBySystemd(t *testing.T) {
	m := newFakeRoot(t, map[string]string{"systemctl": ""})
	unit := filepath.Join(m.root, "/etc/systemd/system/pm2-ann.service")
	if code, out, called := m.pm2(false, "startup"); code != 1 || !strings.Contains(out, "sudo env") || called != "" {
		t.Errorf("not as root: %d %q %q", code, out, called)
	}
	code, out, called := m.pm2(true, "startup")
	text, err := os.ReadFile(unit)
	if code != 0 || err != nil || called != "systemctl enable pm2-ann\n" {
		t.Fatalf("%d %q %q %v", code, out, called, err)
	}
	for _, want := range []string{
		"Type=notify\n", "WatchdogSec=", "FileDescriptorStoreMax=", "KillMode=process\n", "User=ann\n", `Environment="PM2_HOME=/home/ann/.pm2"` + "\n",
		"ExecStart=/opt/tend pm2 daemon\n", "ExecStartPost=-/opt/tend pm2 daemon boot\n", "ExecReload=/opt/tend pm2 reload all\n", "ExecStop=/opt/tend pm2 kill\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	code, out, called = m.pm2(true, "unstartup")
	if _, err := os.Stat(unit); code != 0 || err == nil || called != "systemctl disable pm2-ann\nsystemctl daemon-reload\n" {
		t.Errorf("unstartup: %d %q %q %v", code, out, called, err)
	}
	if code, out, _ := m.pm2(true, "unstartup"); code != 1 || !strings.Contains(out, "cannot remove") {
		t.Errorf("again: %d %q", code, out)
	}
}

func TestStartupByInitScript(t *testing.T) {
	noted := ""
	m := newFakeRoot(t, map[string]string{"update-rc.d": noted, "mkdir": noted, "touch": noted})
	code, out, called := m.pm2(true, "startup", "upstart", "-u", "bob", "--hp", "/srv/bob", "--service-name", "site")
	script := filepath.Join(m.root, "/etc/init.d/site")
	info, err := os.Stat(script)
	if code != 0 || err != nil || info.Mode().Perm() != 0o755 || called != "mkdir -p /var/lock/subsys\ntouch /var/lock/subsys/site\nupdate-rc.d site defaults\n" {
		t.Fatalf("%d %q %q %v", code, out, called, err)
	}
	text, _ := os.ReadFile(script)
	for _, want := range []string{"### BEGIN INIT INFO", "PM2_HOME=/srv/bob/.pm2\n", " bob; }", "start) as resurrect"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestStartupSaysWhatFailed(t *testing.T) {
	m := newFakeRoot(t, map[string]string{"systemctl": "echo no bus >&2; exit 3\n"})
	if code, out, _ := m.pm2(true, "startup"); code != 1 || !strings.Contains(out, "systemctl enable pm2-ann failed") || !strings.Contains(out, "no bus") {
		t.Errorf("%d %q", code, out)
	}
	if code, out, _ := m.pm2(true, "startup", "plan9"); code != 1 || !strings.Contains(out, "[PM2][ERROR]") {
		t.Errorf("%d %q", code, out)
	}
	m = newFakeRoot(t, nil)
	if code, out, _ := m.pm2(true, "startup"); code != 1 || !strings.Contains(out, "no init system") {
		t.Errorf("%d %q", code, out)
	}
}
