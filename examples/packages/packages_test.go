package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tendproc/tend/internal/proctest"
)

func TestMain(m *testing.M) { proctest.Main(m) }

const root = "../.."

var (
	section = regexp.MustCompile(`(?m)^## `)
	program = regexp.MustCompile("\\]\\(\\.\\./(examples/packages/[^)]+)\\)\n\n```\\w+\n((?s:.*?))```\n")
	session = regexp.MustCompile("```console\n((?s:.*?))```\n")
)

// Each program of docs/packages.md is the file that it names, and prints what the
// page says; no program is left out.
func TestTour(t *testing.T) {
	page, err := os.ReadFile(root + "/docs/packages.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, text := range section.Split(string(page), -1)[1:] {
		name, text, _ := strings.Cut(text, "\n")
		programs := program.FindAllStringSubmatch(text, -1)
		for _, p := range programs {
			shown[filepath.Clean(p[1])] = true
		}
		t.Run(name, func(t *testing.T) {
			for _, p := range programs {
				file, err := os.ReadFile(filepath.Join(root, p[1]))
				if err != nil || string(file) != p[2] {
					t.Errorf("%s is not what the page shows: %v", p[1], err)
				}
			}
			sessions := session.FindAllStringSubmatch(text, -1)
			if len(programs) == 0 || len(sessions) == 0 {
				t.Fatal("a section needs a program, and a session that runs it")
			}
			for _, s := range sessions {
				if got := play(t, s[1]); got != s[1] {
					t.Errorf("got:\n%s\nthe page says:\n%s", got, s[1])
				}
			}
		})
	}
	files, err := filepath.Glob(root + "/examples/packages/*/main.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if f, _ := filepath.Rel(root, f); !shown[f] {
			t.Errorf("docs/packages.md does not show %s", f)
		}
	}
}

// play runs the lines that begin with a prompt, and returns the session as it
// went here.
func play(t *testing.T, text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		command, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			continue
		}
		out.WriteString(line)
		cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
		cmd.Dir = root
		printed, err := cmd.Output()
		if err != nil {
			t.Errorf("%s: %v", command, err)
		}
		out.Write(printed)
	}
	return out.String()
}
