package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func (m fakeRoot) tend(root bool, args ...string) (code int, out, called string) {
	var stdout, stderr bytes.Buffer
	stdio := IO{
		Out: &stdout, Err: &stderr, Cwd: "/", Program: "/opt/tend", Root: m.root, IsRoot: root,
		Env: []string{"PATH=" + m.bin, "HOME=/home/ann", "USER=ann"},
	}
	code = Run(context.Background(), args, stdio, fakeDaemon{down: true})
	text, _ := os.ReadFile(filepath.Join(m.bin, "called"))
	_ = os.Remove(filepath.Join(m.bin, "called"))
	return code, stdout.String() + stderr.String(), string(text)
}

func TestOwnStartupBySystemd(t *testing.T) {
	m := newFakeRoot(t, map[string]string{"systemctl": ""})
	unit := filepath.Join(m.root, "/etc/systemd/system/tend-ann.service")
	code, out, called := m.tend(false, "startup")
	want := "sudo env PATH=" + m.bin + " /opt/tend startup systemd --as ann --home /home/ann/.local/state/tend\n"
	if code != 1 || !strings.Contains(out, want) || called != "" {
		t.Errorf("not as root: %d %q %q, want %q", code, out, called, want)
	}
	code, out, called = m.tend(true, "startup")
	text, err := os.ReadFile(unit)
	if code != 0 || err != nil || called != "systemctl daemon-reload\nsystemctl enable tend-ann\n" {
		t.Fatalf("%d %q %q %v", code, out, called, err)
	}
	for _, want := range []string{
		"Type=notify\n", "User=ann\n", `Environment="TEND_HOME=/home/ann/.local/state/tend"` + "\n", "ExecStart=/opt/tend daemon\n",
		"KillMode=process\n", "WatchdogSec=60\n", "FileDescriptorStoreMax=16384\n", "OOMPolicy=continue\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	code, out, called = m.tend(true, "unstartup")
	if _, err := os.Stat(unit); code != 0 || err == nil || called != "systemctl disable tend-ann\nsystemctl daemon-reload\n" {
		t.Errorf("unstartup: %d %q %q %v", code, out, called, err)
	}
	if code, out, called := m.tend(true, "unstartup"); code != 1 || !strings.Contains(out, "there is no") || called != "" {
		t.Errorf("again: %d %q %q", code, out, called)
	}
}

func TestOwnStartupOfAUser(t *testing.T) {
	m := newFakeRoot(t, map[string]string{"systemctl": ""})
	code, out, called := m.tend(false, "startup", "--user", "--json")
	var made booted
	if code != 0 || json.Unmarshal([]byte(out), &made) != nil || called != "systemctl --user daemon-reload\nsystemctl --user enable tend\n" {
		t.Fatalf("%d %q %q", code, out, called)
	}
	text, err := os.ReadFile(filepath.Join(m.root, "/home/ann/.config/systemd/user/tend.service"))
	if err != nil || string(text) != made.Text || strings.Contains(made.Text, "User=") || !strings.Contains(made.Text, "WantedBy=default.target") {
		t.Errorf("%v\n%s", err, text)
	}
}

// Each text is what its own system reads.
func TestOwnStartupTexts(t *testing.T) {
	m := newFakeRoot(t, nil)
	args := []string{"--print", "--home", "/srv/a 50% $x", "--service-name", "site"}
	print := func(system string) string {
		t.Helper()
		code, out, _ := m.tend(false, append([]string{"startup", system}, args...)...)
		if code != 0 {
			t.Fatalf("%s: %d %s", system, code, out)
		}
		return out
	}
	list := xml.NewDecoder(strings.NewReader(print("launchd")))
	for {
		if _, err := list.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("launchd: %v", err)
		}
	}
	script := filepath.Join(t.TempDir(), "site")
	if err := os.WriteFile(script, []byte(print("openrc")), 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("sh", "-c", `. "$0"; printf '%s|%s %s' "$TEND_HOME" "$command" "$command_args"`, script).CombinedOutput()
	if err != nil || string(out) != "/srv/a 50% $x|/opt/tend daemon" {
		t.Errorf("openrc: %v %q", err, out)
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not here")
	}
	text := strings.NewReplacer("/opt/tend", "/bin/true", "User=ann\n", "User=root\n").Replace(print("systemd"))
	unit := filepath.Join(t.TempDir(), "site.service")
	if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", "--man=no", unit).CombinedOutput(); err != nil || strings.Contains(string(out), "site.service") {
		t.Errorf("systemd-analyze verify: %v\n%s%s", err, out, text)
	}
}

func TestOwnStartupRefusals(t *testing.T) {
	m := newFakeRoot(t, map[string]string{"systemctl": "echo no bus >&2; exit 3\n"})
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"startup", "plan9"}, "does not know the init system plan9"},
		{[]string{"startup", "--as", "a b"}, "--as"},
		{[]string{"startup", "--service-name", "../x"}, "--service-name"},
		{[]string{"startup", "--home", "here"}, "not an absolute path"},
		{[]string{"startup", "openrc", "--user"}, "no services of users"},
		{[]string{"startup"}, "no bus"},
	} {
		if code, out, _ := m.tend(true, tc.args...); code != 1 || !strings.Contains(out, tc.want) {
			t.Errorf("%v: %d %q", tc.args, code, out)
		}
	}
	m = newFakeRoot(t, nil)
	if code, out, _ := m.tend(true, "startup"); code != 1 || !strings.Contains(out, "tend daemon") {
		t.Errorf("%d %q", code, out)
	}
}
