package pm2test

import (
	"bufio"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"
)

var manyDigits = regexp.MustCompile(`[0-9]{2,}`)

// ofTick is a line that tick.js wrote, in any form.
var ofTick = regexp.MustCompile(`(out|err) line("|$)`)

// alike is how many lines tell that no other kind is shown.
const alike = 8

// follow runs a command that shows what is written until it has shown a line of
// each stream, or enough of one, and returns how they look. Digits say nothing.
func (s *side) follow(env, args []string) (facts []string) {
	cmd := exec.Command(s.argv[0], append(slices.Clone(s.argv[1:]), args...)...)
	cmd.Dir, cmd.Env = s.path("$APP"), env
	out, err := cmd.StdoutPipe()
	if err == nil {
		cmd.Stderr = cmd.Stdout // --raw parts them
		err = cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	in := bufio.NewScanner(out)
	for n := 0; len(facts) < 2 && n < alike && in.Scan(); {
		line := strings.Join(strings.Fields(colors.ReplaceAllString(in.Text(), "")), " ")
		fact := "shows " + manyDigits.ReplaceAllString(line, "N")
		if !ofTick.MatchString(line) {
			continue
		}
		if n++; !slices.Contains(facts, fact) {
			facts = append(facts, fact)
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	slices.Sort(facts)
	return facts
}
