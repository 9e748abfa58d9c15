package pm2test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tendproc/tend/internal/proctest"
)

// A program that requires pm2 sees the same of tend as it saw of PM2.
func TestAPI(t *testing.T) {
	golden := filepath.Join("testdata", "api", "client.golden")
	if *recordAll {
		if err := os.WriteFile(golden, []byte(newSide(t, realPM2(t)).client()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	realPM2(t) // its client
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := newSide(t, []string{build(t)}).client(); got != string(want) {
		t.Errorf("with tend:\n%s\nwith PM2:\n%s", got, want)
	}
}

// client runs the program beside a daemon of the side, and gives what it prints.
func (s *side) client() string {
	s.t.Helper()
	if err := os.CopyFS(filepath.Join(s.dir, "api"), os.DirFS("testdata/api")); err != nil {
		s.t.Fatal(err)
	}
	s.pm2("ls")
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, proctest.FirstNode(s.t).Path, "client.js")
	cmd.Dir = filepath.Join(s.dir, "api")
	cmd.Env = append(s.env, "PM2_HOME="+filepath.Join(s.dir, "home", ".pm2"), "PM2_SILENT=true",
		"PM2_MODULE="+filepath.Join(os.Getenv("TEND_TEST_MODULES"), "pm2"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Errorf("%v\n%s", err, out)
	}
	return string(out)
}
