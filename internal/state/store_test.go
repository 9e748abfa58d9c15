package state_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/internal/state"
)

func open(t testing.TB, dir string) *state.Store {
	t.Helper()
	s, err := state.Open(dir, state.Options{OnError: func(err error) { t.Errorf("told: %v", err) }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func shut(t testing.TB, s *state.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestValuesComeBack(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for i := range 100 {
		s.Put("k"+strconv.Itoa(i), fmt.Appendf(nil, `{"n":%d}`, i))
	}
	for i := range 50 {
		s.Delete("k" + strconv.Itoa(2*i))
	}
	s.Put("k1", []byte(`"new"`))
	shut(t, s)
	s = open(t, dir)
	defer shut(t, s)
	found := s.Found()
	if len(found) != 50 || string(found["k1"]) != `"new"` || string(found["k99"]) != `{"n":99}` || len(s.Notes()) > 0 {
		t.Errorf("%d values, k1 %s, k99 %s, notes %v", len(found), found["k1"], found["k99"], s.Notes())
	}
}

// What was put is there after a kill at any moment, and nothing half.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	last := 0
	for range 60 {
		cmd := exec.Command(proctest.Self(), dir)
		cmd.Env = append(os.Environ(), proctest.RoleEnv("count"))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 1 + rand.IntN(300); n > 0 && lines.Scan(); n-- {
			last, _ = strconv.Atoi(lines.Text())
		}
		cmd.Process.Kill()
		for lines.Scan() { // what it had said before it died
			last, _ = strconv.Atoi(lines.Text())
		}
		cmd.Wait()
		s := open(t, dir)
		n, _ := strconv.Atoi(string(s.Found()["n"]))
		if n != last && n != last+1 { // put, and not yet said
			t.Fatalf("it had said %d, and %d is there", last, n)
		}
		for _, note := range s.Notes() {
			if !strings.Contains(note, "only its first") && !strings.Contains(note, "it is now") {
				t.Error(note)
			}
		}
		shut(t, s)
		last = n
	}
}

func TestGarbageIsMovedAside(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	s.Put("a", []byte("1"))
	shut(t, s)
	s = open(t, dir) // now it is in the snapshot
	s.Put("b", []byte("2"))
	shut(t, s)
	path := filepath.Join(dir, "state.json")
	for _, garbage := range []string{"", "x", "{}\n", `{"format":1,"snapshot":9,"crc32c":"00000000"}` + "\n{"} {
		if err := os.WriteFile(path, []byte(garbage), 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir)
		if string(s.Found()["a"]) != "1" || len(s.Notes()) == 0 {
			t.Errorf("%q: found %s; notes %v", garbage, s.Found(), s.Notes())
		}
		shut(t, s)
	}
	if bad, _ := filepath.Glob(path + ".bad-*"); len(bad) != 4 {
		t.Errorf("kept %v", bad)
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	for _, name := range []string{"state.json", "state.journal"} {
		dir := t.TempDir()
		text := fmt.Sprintf(`{"format":%d,"snapshot":1}`+"\n", state.Format+1)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := state.Open(dir, state.Options{})
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.Unsupported || f.Remedy == "" {
			t.Errorf("%s: %v", name, err)
		}
		if err := state.Check(dir); fault.CodeOf(err) != fault.Unsupported {
			t.Errorf("check %s: %v", name, err)
		}
		if got, _ := os.ReadFile(filepath.Join(dir, name)); string(got) != text {
			t.Errorf("%s was changed", name)
		}
	}
}

// TestReleasedFormats reads what each format was written as.
func TestReleasedFormats(t *testing.T) {
	for format := 1; format <= state.Format; format++ {
		from := filepath.Join("testdata", "format"+strconv.Itoa(format))
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
		if err := state.Check(dir); err != nil {
			t.Error(err)
		}
		s := open(t, dir)
		want := map[string]string{"meta": `{"next_id":2}`, "slot/0": `{"index":0}`, "slot/1": `{"index":1}`}
		for key, value := range want {
			if string(s.Found()[key]) != value {
				t.Errorf("format %d: %s is %s", format, key, s.Found()[key])
			}
		}
		if len(s.Found()) != len(want) || len(s.Notes()) > 0 {
			t.Errorf("format %d: %v, %v", format, s.Found(), s.Notes())
		}
		shut(t, s)
	}
}

// Files that somebody removed come back.
func TestFilesRemoved(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	s.Put("a", []byte("1"))
	for _, name := range []string{"state.json", "state.journal"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	s.Put("b", []byte("2"))
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	shut(t, s)
	s = open(t, dir)
	defer shut(t, s)
	if len(s.Found()) != 2 {
		t.Errorf("found %v", s.Found())
	}
}

func TestManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	var running, writers sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	value, _ := json.Marshal(strings.Repeat("x", 4000))
	for w := range 8 {
		writers.Go(func() {
			for i := range 100 { // enough for several snapshots
				s.Put(fmt.Sprintf("%d/%d", w, i), value)
				if i%25 == 0 {
					if err := s.Sync(ctx); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	writers.Wait()
	cancel()
	running.Wait()
	shut(t, s)
	s = open(t, dir)
	defer shut(t, s)
	if len(s.Found()) != 800 {
		t.Errorf("%d of 800 values", len(s.Found()))
	}
}

func BenchmarkPut(b *testing.B) {
	s := open(b, b.TempDir())
	defer shut(b, s)
	value, _ := json.Marshal(strings.Repeat("x", 1000))
	for b.Loop() {
		s.Put("slot/1", value)
	}
}

func BenchmarkSync(b *testing.B) {
	s := open(b, b.TempDir())
	defer shut(b, s)
	for b.Loop() {
		s.Put("slot/1", []byte("1"))
		if err := s.Sync(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s := open(b, dir)
	value, _ := json.Marshal(strings.Repeat("x", 5000))
	for i := range 100 {
		s.Put("spec/"+strconv.Itoa(i), value)
	}
	shut(b, s)
	for b.Loop() {
		shut(b, open(b, dir))
	}
}

// What is put together counts together, also nested, and a half of it is nothing.
func TestTogether(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	s.Put("a", []byte("1"))
	s.Together(func() {
		s.Put("a", []byte("2"))
		s.Together(func() { s.Put("b", []byte("2")) })
		s.Delete("never there")
	})
	path := filepath.Join(dir, "state.journal")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	whole := bytes.TrimRight(text, "\x00")
	shut(t, s)
	for cut, want := range map[int]string{0: "map[a:2 b:2]", 1: "map[a:1]", 30: "map[a:1]"} {
		if err := os.WriteFile(path, whole[:len(whole)-cut], 0o600); err != nil {
			t.Fatal(err)
		}
		other, err := state.Open(copyOf(t, dir), state.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for k, v := range other.Found() {
			got[k] = string(v)
		}
		if said := fmt.Sprint(got); said != want {
			t.Errorf("without the last %d bytes: %s, want %s", cut, said, want)
		}
		other.Close()
	}
}

func copyOf(t *testing.T, dir string) string {
	to := t.TempDir()
	for _, name := range []string{"state.json", "state.journal"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			os.WriteFile(filepath.Join(to, name), text, 0o600)
		}
	}
	return to
}
