package event

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/spec"
)

// Who reads a table by hand reads what an encoder would: each field that it has, as
// the instance has it, and nothing else.
func TestTable(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 31, 0, 123456789, time.UTC)
	full := Instance{
		ID: 3, App: `<w"e\b> Größe` + "\n", Namespace: "default", Mode: spec.Cluster, Phase: lifecycle.Backoff, PID: 42, Restarts: 7,
		StartedAt: at.Add(-time.Hour), Reason: "it ended", Version: "1.2", Module: "m", Held: true, Standby: true, Watch: true, User: "me",
		Usage: &Usage{CPU: 0.25, RSS: 1 << 40},
	}
	untold := full
	untold.Gen, untold.OutFile, untold.Spec = 9, "/l/out", &spec.App{Name: "web"}
	s := Snapshot{Seq: 9, At: at, Instances: []Instance{untold, {}, {ID: 5, Usage: &Usage{CPU: 1e-7}}}}
	want := Snapshot{At: at, Instances: []Instance{full, {}, s.Instances[2]}}
	text := AppendTable(nil, &s)
	var decoded Snapshot
	if err := json.Unmarshal(text, &decoded); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var spaced bytes.Buffer
	if err := json.Indent(&spaced, text, " ", "\t"); err != nil {
		t.Fatal(err)
	}
	for how, text := range map[string][]byte{
		"as written": text, "with white space": spaced.Bytes(),
		"with more in it": []byte(strings.Replace(string(text), `"id":`, `"id2":{"id":"}"},"id":`, 1)),
	} {
		read, err := ReadTable(text)
		if err != nil {
			t.Errorf("%s: %v", how, err)
		}
		if diff := cmp.Diff(want, read); diff != "" {
			t.Errorf("%s: %s", how, diff)
		}
	}
	if diff := cmp.Diff(want, decoded); diff != "" {
		t.Errorf("decoded: %s", diff)
	}
	for _, text := range []string{"", "null", "{}", `{"at":1}`, `{"at":"2026-11-22T10:31:00Z","instances":[{"id":"x"}]}`, `{"at":"2026-11-22T10:31:00Z","instances":[{"usage":{"cpu":null}}]}`} {
		if s, err := ReadTable([]byte(text)); err == nil {
			t.Errorf("%s is %+v", text, s)
		}
	}
}

func BenchmarkTable(b *testing.B) {
	s := Snapshot{At: time.Now(), Instances: make([]Instance, 100)}
	for i := range s.Instances {
		s.Instances[i] = Instance{ID: i, App: "app", Namespace: "default", Mode: spec.Fork, Phase: lifecycle.Running, PID: 4000 + i, StartedAt: s.At, Usage: &Usage{RSS: 1 << 24}}
	}
	for b.Loop() {
		if _, err := ReadTable(AppendTable(nil, &s)); err != nil {
			b.Fatal(err)
		}
	}
}
