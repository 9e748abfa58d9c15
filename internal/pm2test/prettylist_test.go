package pm2test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tendproc/tend/internal/proctest"
)

// prettylist is jlist as Node prints it.
func TestPrettylistIsNodes(t *testing.T) {
	node := proctest.FirstNode(t).Path
	s := newSide(t, []string{build(t)})
	s.env = append(s.env, "LINES=one\ntwo\nthree and so on, until the text is longer than what a line holds\n", `QUOTES=it's "quoted"`)
	for _, args := range [][]string{
		{"start", "rec.js", "-i", "2", "--node-args=--trace-warnings", "--", "a", "b c"},
		{"start", "rec.sh", "--name", "sh", "--stop-exit-codes", "1", "2", "3", "4", "5", "6", "7", "8"},
		{"stop", "sh"},
		{"set", "rec:key", "it's"},
	} {
		if r := s.pm2(args...); r.code != 0 {
			t.Fatalf("%v: %+v", args, r)
		}
	}
	cmd := exec.Command(node, "-e", `process.stdout.write(require('util').inspect(JSON.parse(require('fs').readFileSync(0)), { depth: null, colors: false }))`)
	cmd.Stdin = strings.NewReader(s.pm2("jlist").out)
	want, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	now := regexp.MustCompile(`(memory|cpu|value): '?[0-9.]+'?`)
	plain := func(text string) string { return now.ReplaceAllString(text, "$1: N") }
	got := s.pm2("prettylist").out
	if diff := cmp.Diff(plain(string(want)), plain(got)); diff != "" {
		t.Error(diff)
	}
	if n := strings.Count(got, "status: 'online'"); n != 2 {
		t.Errorf("%d are online, want 2:\n%s", n, got)
	}
}
