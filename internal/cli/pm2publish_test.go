package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tendproc/tend/internal/pm2"
)

// What npm refuses is not published, and the version stays.
func TestPublishRefused(t *testing.T) {
	dir := t.TempDir()
	const declared = `{"name": "m", "version": "1.2.3"}`
	path := filepath.Join(dir, "package.json")
	for name, text := range map[string]string{path: declared, filepath.Join(dir, "npm"): "#!/bin/sh\nexit 1\n"} {
		if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var both bytes.Buffer
	stdio := IO{In: strings.NewReader("y\n"), Out: &both, Err: &both, Cwd: dir, Env: []string{"PATH=" + dir}}
	code := RunPM2(context.Background(), []string{"publish", "--npm"}, stdio, PM2{Home: pm2.HomeOf(func(string) string { return "" }, dir), Daemon: fakeDaemon{down: true}})
	if text, err := os.ReadFile(path); code != 1 || err != nil || string(text) != declared || !strings.Contains(both.String(), "npm did not publish it") {
		t.Errorf("%d %s\n%s", code, text, &both)
	}
}

func TestNextMinor(t *testing.T) {
	for version, want := range map[string]string{
		"1.2.3": "1.3.0", "0.0.9": "0.1.0", "1.3.0-beta.1": "1.3.0", "1.2.3-rc+b": "1.3.0", "1.2": "", "v1.2.3": "", "": "", "1.99999999999999999999.0": "",
	} {
		if got, err := nextMinor(version); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", version, got, err)
		}
	}
}
