package logs

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestJSONStamp(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 8e6, time.FixedZone("", 3600))
	target := Target{App: `we"b`, ID: 3, Name: "err"}
	for date, want := range map[string]string{"": "2026-03-04T04:06:07.008Z", "YYYY": "2026"} {
		s := newStamper(JSONStamp(target, date))
		out := string(s.lines([]byte("before\n"), []byte("a \"<b>\"\nlast"), at, true))
		lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		if len(lines) != 3 || lines[1] != `{"message":"a \"<b>\"\n","timestamp":"`+want+`","type":"err","process_id":3,"app_name":"we\"b"}` {
			t.Errorf("%q: got %q", date, lines)
		}
		var last struct{ Message string }
		if err := json.Unmarshal([]byte(lines[2]), &last); err != nil || last.Message != "last" {
			t.Errorf("%q: %v, %q", date, err, lines[2])
		}
	}
}

// Two streams share a file besides their own, whole lines at a time.
func TestLinesAlsoGoToASharedFile(t *testing.T) {
	dir := t.TempDir()
	s := NewStore(Options{OnError: func(err error) { t.Error(err) }})
	shared := filepath.Join(dir, "deep", "all.log")
	for _, name := range []string{"out", "err"} {
		st, err := s.Open(Target{App: "a", Name: name, Path: filepath.Join(dir, name), Also: shared, Stamp: "[s]"})
		if err != nil {
			t.Fatal(err)
		}
		p, err := st.Pipe(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.ChildEnd.WriteString(name + " 1\n" + name + " 2"); err != nil {
			t.Fatal(err)
		}
		p.ChildEnd.Close()
		<-p.Done()
		st.Release()
	}
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "out"): "s: out 1\ns: out 2", shared: "s: out 1\ns: out 2\ns: err 1\ns: err 2",
	} {
		if text, err := os.ReadFile(path); err != nil || string(text) != want {
			t.Errorf("%s: %v\n%q, want\n%q", path, err, text, want)
		}
	}
}
