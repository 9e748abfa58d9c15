package pm2test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tendproc/tend/internal/proctest"
)

// Programs that require pm2 see the same of tend as they saw of PM2.
func TestAPI(t *testing.T) {
	tend := build(t)
	for _, program := range []string{"client", "rest", "code", modulesScript} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			golden := filepath.Join("testdata", "api", program+".golden")
			if *recordAll {
				text, ok := newSide(t, realPM2(t)).client(program)
				if !ok { // what PM2 did not do is no measure
					t.FailNow()
				}
				if err := os.WriteFile(golden, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			realPM2(t) // its client
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := newSide(t, []string{tend}).client(program); got != string(want) {
				t.Error(cmp.Diff(string(want), got))
			}
		})
	}
}

// client runs the program beside a daemon of the side, and gives what it prints and
// whether that was all.
func (s *side) client(program string) (out string, ok bool) {
	s.t.Helper()
	if err := os.CopyFS(filepath.Join(s.dir, "api"), os.DirFS("testdata/api")); err != nil {
		s.t.Fatal(err)
	}
	if program == modulesScript {
		s.serveModules()
	}
	if program == "code" {
		proctest.Program(s.t, "git")
		s.env = append(s.env, gitEnv...)
	}
	s.pm2("ls")
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, proctest.FirstNode(s.t).Path, program+".js")
	cmd.Dir = filepath.Join(s.dir, "api")
	cmd.Env = append(s.env, "PM2_HOME="+filepath.Join(s.dir, "home", ".pm2"), "PM2_SILENT=true",
		"PM2_MODULE="+filepath.Join(os.Getenv("TEND_TEST_MODULES"), "pm2"))
	text, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Errorf("%v\n%s", err, text)
	}
	return marked(string(text)), err == nil
}

// marked are the lines that begin with a mark, or all where none does.
func marked(text string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "| ") {
			kept.WriteString(line)
		}
	}
	if kept.Len() == 0 {
		return text
	}
	return kept.String()
}
