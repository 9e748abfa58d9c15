package pm2test

import (
	"os"
	"path/filepath"
	"strings"
)

// noting is a program that only notes how it was called; FAIL makes it fail.
const noting = `#!/bin/bash
{ printf '%s' "${0##*/}"; printf ' [%s]' "$@"; printf ' in %s\n' "$PWD"; } >>"$CALLS"
[ "$FAIL" != "${0##*/}" ]
`

// fake puts programs that only note how they are called before those of the machine.
func (s *side) fake(names []string) {
	s.t.Helper()
	bin := filepath.Join(s.dir, "fake")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		s.t.Fatal(err)
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(noting), 0o700); err != nil {
			s.t.Fatal(err)
		}
	}
	for i, kv := range s.env {
		if path, ok := strings.CutPrefix(kv, "PATH="); ok {
			s.env[i] = "PATH=" + bin + ":" + path
			s.replace = append([]string{bin + ":" + path, "$PATH"}, s.replace...)
		}
	}
	s.env = append(s.env, "CALLS="+filepath.Join(s.dir, "calls"))
}

// calls are those since the last look.
func (s *side) calls() (facts []string) {
	path := filepath.Join(s.dir, "calls")
	text, _ := os.ReadFile(path)
	for line := range strings.Lines(string(text)) {
		facts = append(facts, "call "+s.plain(strings.TrimSpace(line)))
	}
	_ = os.Remove(path)
	return facts
}
