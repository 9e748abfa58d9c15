package state_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tendproc/tend/internal/state"
)

// A disk that is full stops nothing; what it has stays whole, and when there is
// room again all is written.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m")
	if err != nil && os.Geteuid() != 0 {
		t.Skipf("only root can mount a small disk: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(dir, 0)
	told := 0
	spare, err := state.NewSpare()
	if err != nil {
		t.Fatal(err)
	}
	defer spare.Close()
	s, err := state.Open(dir, state.Options{OnError: func(error) { told++ }, Spare: spare})
	if err != nil {
		t.Fatal(err)
	}
	s.Put("a", []byte("1"))
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 2<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	big, _ := json.Marshal(strings.Repeat("x", 50_000))
	for i := range 20 {
		s.Put("b"+strconv.Itoa(i), big)
	}
	if err := s.Sync(t.Context()); err == nil || told != 1 {
		t.Errorf("sync: %v, told %d times", err, told)
	}
	if other, err := state.Open(copyOf(t, dir), state.Options{}); err != nil || string(other.Found()["a"]) != "1" || len(other.Notes()) > 0 {
		t.Errorf("the disk has %v, %v", other, err)
	} else {
		other.Close()
	}
	// The next process has what could not be written, and so has the one after it.
	for range 2 {
		other, err := state.Open(dir, state.Options{Spare: spare})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(other.Found()); n != 21 || len(other.Notes()) != 1 {
			t.Errorf("the next one found %d values, %q", n, other.Notes())
		}
	}
	// Not where somebody else wrote the files since.
	elsewhere := copyOf(t, dir)
	os.Remove(filepath.Join(elsewhere, "state.json"))
	if other, err := state.Open(elsewhere, state.Options{Spare: spare}); err != nil || len(other.Found()) > 0 {
		t.Errorf("of other files: %v, %v", other.Found(), err)
	} else {
		other.Close()
	}
	for i := range 20 {
		s.Delete("b" + strconv.Itoa(i))
	}
	os.Remove(ballast)
	s.Put("a", []byte("2"))
	if err := s.Sync(t.Context()); err != nil {
		t.Error(err)
	}
	shut(t, s)
	if info, err := spare.Stat(); err != nil || info.Size() > 0 {
		t.Errorf("left in memory: %v, %v", info, err)
	}
	s = open(t, dir)
	defer shut(t, s)
	if string(s.Found()["a"]) != "2" || len(s.Found()) != 1 {
		t.Errorf("found %v", s.Found())
	}
}
