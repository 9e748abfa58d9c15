package pm2test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tendproc/tend/internal/proctest"
)

// code is what is done with a checkout that an app runs in, and with a machine that
// code is brought to. A line that does not begin with pm2 is for the shell.
var code = []string{
	"pm2 start rec.js --name web",
	"pm2 backward web",
	"pm2 backward 0",
	"pm2 backward web",
	"pm2 forward web",
	"pm2 pull web",
	"pm2 pull web",
	"pm2 forward web",
	"pm2 pull web $FIRST",
	"pm2 pull nosuch",
	"pm2 forward nosuch",
	"pm2 pull all",
	"pm2 pull",
	"echo more >>more && git add more && git commit -qm mine",
	"pm2 pull web",
	"pm2 deploy live setup",
	"pm2 deploy live setup",
	"pm2 deploy live",
	"git commit -q --allow-empty -m four && git push -q",
	"pm2 deploy ecosystem.config.js live update",
	"pm2 deploy live list",
	"pm2 deploy live curr",
	"pm2 deploy live prev",
	"pm2 deploy live exec pwd",
	"pm2 deploy live revert 1",
	"pm2 deploy live ref origin/main",
	"git commit -q --allow-empty -m five",
	"pm2 deploy live",
	"echo changed >>more",
	"pm2 deploy live",
	"pm2 deploy live --force",
	"pm2 deploy nosuch",
	"pm2 deploy noref",
	"pm2 deploy failing",
	"pm2 deploy",
}

// What becomes of the code is what becomes of it with PM2.
func TestCodeAsPM2(t *testing.T) {
	t.Parallel()
	proctest.FirstNode(t)
	proctest.Program(t, "git")
	proctest.Program(t, "bash") // which PM2 takes the shell of a machine for
	const golden = "testdata/code/code.golden"
	if *recordAll {
		keep(t, golden, playCode(t, realPM2(t)))
	}
	want, got := read(t, golden), playCode(t, []string{build(t)})
	if len(want) != len(got) {
		t.Fatal("not recorded: record it anew")
	}
	for i, w := range want {
		if g := got[i]; g.line != w.line || !slices.Equal(g.facts, w.facts) {
			t.Errorf("%s: %q, with PM2 %q", g.line, g.facts, w.facts)
		}
	}
}

// gitEnv has PM2 tell of checkouts, and git go by nothing of the machine.
var gitEnv = []string{
	"PM2_ENABLE_GIT_PARSING=true", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
	"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org",
	"GIT_AUTHOR_DATE=2024-01-02T03:04:05Z", "GIT_COMMITTER_DATE=2024-01-02T03:04:05Z",
}

func playCode(t *testing.T, argv []string) (blocks []block) {
	s := newSide(t, argv)
	bin := filepath.Join(s.dir, "bin")
	if err := os.CopyFS(bin, os.DirFS("testdata/code/bin")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(bin, "ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	for i, kv := range s.env {
		if path, ok := strings.CutPrefix(kv, "PATH="); ok {
			s.env[i] = "PATH=" + bin + ":" + path
		}
	}
	s.env = append(s.env, "DIR="+s.dir)
	s.env = append(s.env, gitEnv...)
	text, err := os.ReadFile("testdata/code/ecosystem.config.js")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "app", "ecosystem.config.js"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	s.sh(`git init -q --bare -b main "$DIR/origin.git" && git init -q -b main && git remote add origin "$DIR/origin.git" &&
		git add rec.js && git commit -qm one && git add ecosystem.config.js && git commit -qm two && echo three >more && git add more &&
		git commit -qm three && git push -q -u origin main`)
	first := s.sh("git rev-parse HEAD~2")
	for _, line := range code {
		words := split(strings.ReplaceAll(line, "$FIRST", first))
		if words[0] != "pm2" {
			s.sh(line)
			continue
		}
		facts := []string{"exit " + strconv.Itoa(s.pm2(words[1:]...).code), "here " + s.sh("git log -1 --format=%s")}
		if words[1] == "deploy" {
			facts = append(facts, "there "+s.sh(`git -C "$DIR/srv/current" log -1 --format=%s; cat "$DIR/srv/.deploys" "$DIR/post"; ls "$DIR/srv" "$DIR/srv/shared"; true`))
		} else {
			facts = append(facts, s.versioning())
		}
		for i, fact := range facts {
			facts[i] = strings.ReplaceAll(s.plain(fact), "\n", "; ")
		}
		blocks = append(blocks, block{line, facts})
	}
	return blocks
}

// sh carries out a line where the app is, and returns what it prints.
func (s *side) sh(line string) string {
	s.t.Helper()
	cmd := exec.Command("bash", "-c", line)
	cmd.Dir, cmd.Env = filepath.Join(s.dir, "app"), s.env
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("%s: %v", line, err)
	}
	return strings.TrimSpace(string(out))
}

// versioning is what the record of the first process tells of its checkout, once that
// is where it is.
func (s *side) versioning() string {
	head := s.sh("git rev-parse HEAD")
	var v map[string]any
	s.eventually("the record's commit", func() bool {
		v = s.recorded()
		return v["revision"] == head
	})
	delete(v, "update_time") // of a file there, of the commit here
	text, _ := json.Marshal(v)
	return "versioning " + string(text)
}

func (s *side) recorded() map[string]any {
	var records []struct {
		Env struct {
			Versioning map[string]any `json:"versioning"`
		} `json:"pm2_env"`
	}
	if err := json.Unmarshal([]byte(s.pm2("jlist").out), &records); err != nil || len(records) == 0 {
		s.t.Fatalf("jlist: %v, %d records", err, len(records))
	}
	return records[0].Env.Versioning
}
