package cli

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tendproc/tend/internal/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// A transcript holds commands, "$ [setting…] tend words", and below each what
// came of it: requests to the daemon after ">", standard error after "2 ", the
// exit code when it is not 0. Settings: width=N color down empty KEY=value.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for line := range strings.Lines(string(want)) {
				switch {
				case strings.HasPrefix(line, "$ "):
					got.WriteString(line)
					got.WriteString(play(t, strings.TrimSpace(line[2:])))
				case strings.HasPrefix(line, "#"):
					got.WriteString("\n" + line)
				}
			}
			text := strings.TrimLeft(got.String(), "\n")
			if *update {
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(string(want), text); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// play runs one command line against the fake daemon.
func play(t *testing.T, line string) string {
	words, err := spec.Words(line)
	if err != nil {
		t.Fatal(err)
	}
	var out, asked, errs bytes.Buffer
	stdio := IO{Out: &out, Err: &errs, Cwd: "/srv", Env: []string{"PATH=/bin", "SECRET=x"}, Version: "1.0.0", Program: "/new/tend"}
	d := fakeDaemon{svc: &fakeService{snap: fakeSnapshot(), asked: &asked}}
	for len(words) > 0 && words[0] != "tend" {
		switch word := words[0]; {
		case strings.HasPrefix(word, "width="):
			n, err := strconv.Atoi(word[len("width="):])
			if err != nil {
				t.Fatal(err)
			}
			stdio.Terminal, stdio.Width = true, n
			stdio.Env = append(stdio.Env, "NO_COLOR=1")
		case word == "color":
			stdio.Terminal = true
		case word == "down":
			d.down = true
		case word == "empty":
			d.svc.snap.Apps, d.svc.snap.Instances = nil, nil
		case strings.Contains(word, "="):
			stdio.Env = append(stdio.Env, word)
		default:
			t.Fatalf("%s: unknown setting %q", line, word)
		}
		words = words[1:]
	}
	code := Run(context.Background(), words[1:], stdio, d)
	shown := out.String()
	if !strings.Contains(line, "tend ls") {
		shown = strings.ReplaceAll(shown, usualTable(), "[the table]\n")
	}
	text := asked.String() + strings.ReplaceAll(shown, "\x1b", "␛")
	for line := range strings.Lines(errs.String()) {
		text += "2 " + strings.ReplaceAll(line, "\x1b", "␛")
	}
	if code != 0 {
		text += fmt.Sprintf("exit %d\n", code)
	}
	return text
}

// usualTable is what most commands print at the end.
func usualTable() string {
	var out bytes.Buffer
	d := fakeDaemon{svc: &fakeService{snap: fakeSnapshot(), asked: &bytes.Buffer{}}}
	Run(context.Background(), []string{"ls"}, IO{Out: &out, Err: &out}, d)
	return out.String()
}

// JSON on standard output is the whole of it.
func TestDataIsAlone(t *testing.T) {
	for _, args := range [][]string{
		{"jlist"},
		{"-s", "jlist"},
		{"ls", "--json"},
		{"start", "app.js", "--json"},
		{"ping", "--json"},
		{"show", "web", "--json"},
		{"env", "0", "--json"},
		{"pid", "--json"},
		{"id", "web", "--json"},
		{"kill", "--json"},
		{"version", "--json"},
		{"reload", "web", "--json"},
		{"scale", "web", "4", "--json"},
	} {
		var out, errs bytes.Buffer
		stdio := IO{Out: &out, Err: &errs, Cwd: "/srv", Version: "1.0.0", Terminal: true}
		d := fakeDaemon{svc: &fakeService{snap: fakeSnapshot(), asked: &bytes.Buffer{}}, down: args[0] == "kill"}
		if code := Run(context.Background(), args, stdio, d); code != 0 {
			t.Errorf("%v: exit %d: %s", args, code, &errs)
		}
		text := out.String()
		if strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") || !strings.ContainsAny(text[:1], "[{") {
			t.Errorf("%v: not one line of JSON: %.100s", args, text)
		}
	}
}

func TestSilence(t *testing.T) {
	for _, args := range [][]string{
		{"start", "app.js", "-s"},
		{"-s", "ls"},
		{"stop", "web", "--silent"},
		{"-s", "stop", "nobody"},
		{"-s", "nonsense"},
		{"-s", "start", "--unknown"},
		{"-s", "kill"},
		{"-s", "show", "web"},
		{"-s", "reload", "web"},
	} {
		var out bytes.Buffer
		stdio := IO{Out: &out, Err: &out, Cwd: "/srv"}
		d := fakeDaemon{svc: &fakeService{snap: fakeSnapshot(), asked: &bytes.Buffer{}}}
		Run(context.Background(), args, stdio, d)
		if out.Len() > 0 {
			t.Errorf("%v said %q", args, &out)
		}
	}
}

func TestThePageOfCommandsIsThatOfTheHelp(t *testing.T) {
	page, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(page), Markdown()); diff != "" {
		t.Errorf("run: go run ./internal/tools/clidocs (-page +help)\n%s", diff)
	}
}

func TestEveryFlagAppearsInSomeHelp(t *testing.T) {
	page := Markdown()
	for _, f := range flagSpecs {
		if f.topic != ignored && !strings.Contains(page, "--"+f.name) {
			t.Errorf("--%s is in no help", f.name)
		}
	}
}

func BenchmarkList100(b *testing.B) {
	snap := fakeSnapshot()
	for i := 5; i < 100; i++ {
		in := snap.Instances[0]
		in.ID = i
		snap.Instances = append(snap.Instances, in)
	}
	d := fakeDaemon{svc: &fakeService{snap: snap, asked: &bytes.Buffer{}}}
	for b.Loop() {
		var out bytes.Buffer
		Run(context.Background(), []string{"ls"}, IO{Out: &out, Err: &out, Terminal: true, Width: 120}, d)
	}
}
