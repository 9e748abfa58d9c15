package pm2test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tendproc/tend/internal/proctest"
)

// A sample project is one that runs.
func TestCreate(t *testing.T) {
	t.Parallel()
	s := newSide(t, []string{build(t)})
	s.env = append(s.env, "PORT="+s.port)
	s.answer = "1\n"
	if r := s.pm2("create"); r.code != 0 || !strings.Contains(r.out, "API") {
		t.Fatalf("%+v", r)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	s.eventually("an answer", func() bool { // as PM2, it is up before it listens
		answer, err := client.Get("http://127.0.0.1:" + s.port)
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		return err == nil && strings.HasPrefix(string(text), "hello")
	})
	if ids := s.pm2("id", "API").out; strings.TrimSpace(ids) != "[ 0, 1, 2, 3 ]" {
		t.Errorf("ids %s", ids)
	}
	for want, answer := range map[string]string{"is there already": "http-server\n", "no such sample": "9\n"} {
		s.answer = answer
		if r := s.pm2("create"); r.code != 1 || !strings.Contains(r.err, want) {
			t.Errorf("%q: %+v", answer, r)
		}
	}
	proctest.Program(t, "python3")
	if r := s.pm2("create", "python-app"); r.code != 0 || strings.TrimSpace(s.pm2("pid", "echo").out) == "0" {
		t.Errorf("%+v", r)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "app", "python-app", "README.md")); err != nil {
		t.Error(err)
	}
}
