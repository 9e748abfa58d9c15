package machine

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/tendproc/tend/internal/spec"
)

func TestStat(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "run")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]spec.FileInfo{
		dir:                        {Dir: true, Readable: true, Executable: true},
		file:                       {Readable: true, Executable: true},
		filepath.Join(dir, "link"): {Readable: true, Executable: true},
	} {
		if got, err := (OS{}).Stat(path); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", path, got, err, want)
		}
	}
	if _, err := (OS{}).Stat(filepath.Join(dir, "gone")); err == nil || err.Error() != "no such file or directory" {
		t.Errorf("a missing file: %v", err)
	}
}

func TestLookPath(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"tool": 0o755, "text": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := "relative::" + filepath.Join(dir, "gone") + ":" + dir
	if got, err := (OS{}).LookPath("tool", path); err != nil || got != filepath.Join(dir, "tool") {
		t.Errorf("tool: %s, %v", got, err)
	}
	for _, name := range []string{"text", "folder", "nothing"} {
		if got, err := (OS{}).LookPath(name, path); err == nil {
			t.Errorf("%s was found: %s", name, got)
		}
	}
}

// A named pipe must not hold up whoever asks what is in it.
func TestReadFileTakesRegularFilesOnly(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip("no named pipes here: ", err)
	}
	for _, path := range []string{pipe, dir, "/dev/zero"} {
		if _, err := (OS{}).ReadFile(path); err == nil {
			t.Errorf("%s was read", path)
		}
	}
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, make([]byte, 2*maxRead), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := (OS{}).ReadFile(big); err != nil || len(got) != maxRead {
		t.Errorf("big: %d bytes, %v", len(got), err)
	}
}

func TestAccounts(t *testing.T) {
	if u, err := (OS{}).LookupUser("0"); err != nil || u.UID != 0 {
		t.Errorf("0: %+v, %v", u, err)
	}
	if u, err := (OS{}).LookupUser("54321"); err != nil || u.UID != 54321 {
		t.Errorf("54321: %+v, %v", u, err)
	}
	if u, err := (OS{}).LookupUser("no-such-user"); err == nil {
		t.Errorf("no-such-user: %+v", u)
	}
	if g, err := (OS{}).LookupGroup("77"); err != nil || g != 77 {
		t.Errorf("77: %d, %v", g, err)
	}
}
