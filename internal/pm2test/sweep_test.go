package pm2test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// undriven are commands and options that no script has both programs carry out, and why.
var undriven = map[string]string{
	"daemon":                                         "tend's own, for the unit of startup",
	"attach monit imonit dashboard dash":             "they need a terminal, and somebody before it",
	"startup unstartup logrotate":                    "PM2 would write into /etc of this machine; the files are tested for themselves",
	"login logout open plus register":                "PM2 asks its vendor's service",
	"--info-node --discrete --install-all --monitor": "likewise",
	"create":          "PM2 asks on a terminal which of its samples is meant",
	"install-otel":    "PM2 changes its own package, which other tests use",
	"module:generate": "PM2 fetches the sample from a service",
	"completion":      "PM2 writes into the shell's files; what it completes is ours",
	"module:install module:uninstall updatePM2": "other names of what is driven",
	"module:update":                     "PM2 has it for its own registry; see TestModulesFromFolders",
	"--tarball --install --docker --v1": "PM2 needs its own registry for them, or Docker",
	"--write --help":                    "by their short forms",
}

var flagInHelp = regexp.MustCompile(`(?m)^ +(?:-\w, )?(--[a-z0-9][a-z0-9-]*)`)

// Every command and option is carried out by both programs, or listed with the reason
// why not.
func TestEveryWordIsDriven(t *testing.T) {
	s := newSide(t, []string{build(t)})
	help := s.pm2("-h").out
	_, rest, _ := strings.Cut(help, "Commands:\n")
	commands, _, _ := strings.Cut(rest, "\nOptions:")
	words := map[string]bool{}
	for _, m := range flagInHelp.FindAllStringSubmatch(help, -1) {
		words[m[1]] = true
	}
	for line := range strings.Lines(commands) {
		first := ""
		for _, name := range strings.Fields(line) {
			words[strings.TrimSuffix(name, ",")] = true
			if first == "" {
				first = strings.TrimSuffix(name, ",")
			}
			if !strings.HasSuffix(name, ",") {
				break
			}
		}
		for _, m := range flagInHelp.FindAllStringSubmatch(s.pm2(first, "-h").out, -1) {
			words[m[1]] = true
		}
	}
	if len(words) < 150 {
		t.Fatalf("only %d words in the help", len(words))
	}
	driven := drivenWords(t)
	excused := map[string]bool{}
	for list := range undriven {
		for _, word := range strings.Fields(list) {
			excused[word] = true
			if !words[word] || driven[word] {
				t.Errorf("%s is listed, and is driven or not there", word)
			}
		}
	}
	for _, word := range slices.Sorted(maps.Keys(words)) {
		if !driven[word] && !excused[word] {
			t.Errorf("%s: no script has it", word)
		}
	}
}

func drivenWords(t *testing.T) map[string]bool {
	lines := slices.Clone(code)
	for _, f := range fronts {
		if strings.HasPrefix(f.line, "pm2 ") {
			lines = append(lines, f.line)
		}
	}
	scripts, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range scripts {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, "#") && strings.Contains(line, "pm2 ") {
				lines = append(lines, line)
			}
		}
	}
	driven := map[string]bool{}
	for _, line := range lines {
		for _, word := range strings.Fields(line) {
			name, _, _ := strings.Cut(word, "=")
			driven[name] = true
		}
	}
	return driven
}
