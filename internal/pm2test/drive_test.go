package pm2test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/proctest"
)

// patience is how long a script waits for what must come.
const patience = 2 * time.Minute

// side is one of the two programs, in a world of its own.
type side struct {
	t       *testing.T
	argv    []string // the program
	dir     string   // holds home and app
	env     []string
	replace []string // what depends on the place, and what stands for it
	known   map[string]string
	seen    int    // records of the apps that were told already
	answer  string // what the next command line reads
	modules *registry
	port    string // one that was free
}

// newSide makes a world. argv is the program, which is found as pm2 on its PATH.
func newSide(t *testing.T, argv []string) *side {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "app"), os.DirFS("testdata/app")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "home"), 0o700); err != nil {
		t.Fatal(err)
	}
	node := proctest.FirstNode(t)
	path := filepath.Dir(node.Path) + ":/usr/bin:/bin"
	s := &side{t: t, argv: argv, dir: dir, known: map[string]string{}, port: freePort(t)}
	s.env = []string{
		"HOME=" + filepath.Join(dir, "home"), "PATH=" + path, "REC=" + filepath.Join(dir, "rec"), "PM2_DISCRETE_MODE=true",
		"NO_COLOR=1", "FOO=bar",
	}
	s.replace = []string{strings.Join(argv, " "), "$TOOL", filepath.Join(dir, "home"), "$HOME", filepath.Join(dir, "app"), "$APP", dir, "$DIR", path, "$PATH", node.Path, "$NODE", s.port, "$PORT"}
	t.Cleanup(s.end)
	return s
}

// end ends the daemon and reports what is left.
func (s *side) end() {
	s.pm2("kill")
	mark := []byte("REC=" + filepath.Join(s.dir, "rec"))
	s.eventually("left after kill", func() bool {
		environs, _ := filepath.Glob("/proc/[0-9]*/environ")
		return !slices.ContainsFunc(environs, func(path string) bool {
			env, err := os.ReadFile(path)
			return err == nil && bytes.Contains(env, mark)
		})
	})
}

func (s *side) eventually(what string, ok func() bool) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	end := time.After(patience)
	for !ok() {
		select {
		case <-ticker.C:
		case <-end:
			s.t.Errorf("%s: not within %v", what, patience)
			return
		}
	}
}

// result is what one command line did.
type result struct {
	code     int
	out, err string
}

func (s *side) pm2(args ...string) result { return s.with(s.env, args) }

func (s *side) with(env, args []string) result {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	argv := slices.Concat(s.argv, args)
	for i := range argv {
		argv[i] = strings.ReplaceAll(argv[i], "$PORT", s.port)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Args[0] = s.argv[0]
	cmd.Dir, cmd.Env = filepath.Join(s.dir, "app"), env
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(s.answer), &out, &errs
	s.answer = ""
	err := cmd.Run()
	if ctx.Err() != nil {
		s.t.Fatalf("%s %q: not within %v: %s%s", s.argv[0], args, patience, &out, &errs)
	}
	if _, exit := errors.AsType[*exec.ExitError](err); err != nil && !exit {
		s.t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// play carries out a script and returns its transcript: blocks that begin with a
// line of the script.
func (s *side) play(script string) (blocks []block) {
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		blocks = append(blocks, block{line, s.line(line)})
	}
	return blocks
}

// block is a line of a script, and what came of it.
type block struct {
	line  string
	facts []string
}

func (s *side) line(line string) []string {
	words := split(line)
	env := slices.Clone(s.env)
	for strings.Contains(words[0], "=") {
		env = append(env, s.path(words[0]))
		words = words[1:]
	}
	switch words[0] {
	case "pm2":
		return s.command(env, words[1:])
	case "do": // what comes of it takes its time, see until
		return []string{"exit " + strconv.Itoa(s.with(env, words[2:]).code)}
	case "follow":
		return s.follow(env, words[2:])
	case "saw":
		return s.saw(number(words[1]), len(words) > 2)
	case "files":
		return s.files()
	case "cat":
		return s.cat(words[1])
	case "holds": // a file, once a text is in it
		s.eventually(line, func() bool {
			text, _ := os.ReadFile(s.path(words[1]))
			return bytes.Contains(text, []byte(strings.Join(words[2:], " ")))
		})
		facts := s.cat(words[1])
		slices.Sort(facts) // of two writers
		return facts
	case "until", "meets":
		s.eventually(line, func() bool { return strings.Contains(s.pm2("prettylist").out, strings.Join(words[1:], " ")) })
		if words[0] == "meets" { // it goes on
			return nil
		}
		return s.changes()
	case "write":
		if err := os.WriteFile(s.path(words[1]), []byte(s.path(strings.TrimPrefix(line, "write "+words[1]+" "))), 0o600); err != nil {
			s.t.Fatal(err)
		}
		return nil
	case "env": // for all that follows
		for _, kv := range words[1:] {
			s.env = append(s.env, s.path(kv))
		}
		return nil
	case "ask":
		return s.ask(words[1], s.path(words[2]), words[3:])
	case "publish": // a module's folder, as another version of mymod
		s.modules.set(s.t, filepath.Join("testdata/modules", words[1]), "mymod", words[2])
		return nil
	case "fake":
		s.fake(words[1:])
		return nil
	case "answer":
		s.answer = words[1] + "\n"
		return nil
	case "calls":
		return s.calls()
	case "kill-daemon":
		return s.killDaemon()
	}
	s.t.Fatalf("no such line: %s", line)
	return nil
}

func number(word string) int {
	n, _ := strconv.Atoi(word)
	return n
}

// split parts a line at blanks; double quotes hold together.
func split(line string) (words []string) {
	quoted := false
	blank := func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	}
	for _, word := range strings.FieldsFunc(line, blank) {
		words = append(words, strings.ReplaceAll(word, `"`, ""))
	}
	return words
}

func (s *side) path(name string) string {
	return strings.NewReplacer("$HOME", filepath.Join(s.dir, "home"), "$APP", filepath.Join(s.dir, "app"), "$DIR", s.dir, "$PORT", s.port, "$TOOL", strings.Join(s.argv, " ")).Replace(name)
}

// dataCommands print data; of the others only counts whether they print.
var dataCommands = []string{"id", "pid", "ping", "env", "-v", "--version", "-V", "get", "conf"}

// asking are the commands after which the list is not looked at.
var asking = append([]string{"jlist", "prettylist", "list", "ls", "l", "ps", "status", "describe", "desc", "info", "show", "logs", "-h", "--help"}, dataCommands...)

func (s *side) command(env, args []string) []string {
	r := s.with(env, args)
	facts := []string{"exit " + strconv.Itoa(r.code), "out " + printed(r.out), "err " + printed(r.err)}
	verb := ""
	if len(args) > 0 {
		verb = args[0]
	}
	switch {
	case slices.Contains(dataCommands, verb):
		facts = append(facts, s.data(verb, r.out)...)
	case verb == "jlist":
		facts = append(facts, s.list(r.out)...)
	case verb == "list" && slices.Contains(args, "-m"):
		facts = append(facts, s.data(verb, r.out)...)
	case verb == "ls":
		facts = append(facts, columns(r.out)...)
	case verb == "logs":
		facts = append(facts, logLines(r.out)...)
	}
	if !slices.Contains(asking, verb) {
		facts = append(facts, s.changes()...)
	}
	return facts
}

func printed(text string) string {
	if strings.TrimSpace(text) == "" {
		return "nothing"
	}
	return "something"
}

var (
	digits  = regexp.MustCompile(`\b[0-9]{2,}(\.[0-9]+)?\b`)
	colors  = regexp.MustCompile("\x1b\\[[0-9;]*m")
	uuid    = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	memory  = regexp.MustCompile(`[0-9.]+(b|kb|mb|gb)\b`)
	isoTime = regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`)
	uptime  = regexp.MustCompile(`^uptime : [0-9]+[smhD]?$`)
)

// data are the lines of a command, what is by chance apart.
func (s *side) data(verb, out string) []string {
	var lines []string
	for line := range strings.Lines(colors.ReplaceAllString(out, "")) {
		line = strings.TrimRight(s.plain(line), " \n")
		if verb == "pid" || verb == "list" {
			line = memory.ReplaceAllString(uptime.ReplaceAllString(line, "uptime : T"), "SIZE")
			line = digits.ReplaceAllString(line, "N")
		}
		lines = append(lines, "data "+line)
	}
	if verb == "env" {
		slices.Sort(lines)
	}
	return lines
}

// plain puts names for what depends on the place.
func (s *side) plain(text string) string {
	return uuid.ReplaceAllString(strings.NewReplacer(s.replace...).Replace(text), "UUID")
}

// columns are the titles of a table and the first cells of its rows.
func columns(out string) (facts []string) {
	for line := range strings.Lines(colors.ReplaceAllString(out, "")) {
		cells := strings.Split(line, "│")
		if len(cells) < 3 {
			continue
		}
		keep := cells[1:4]
		if strings.Contains(line, " name ") {
			keep = cells[1 : len(cells)-1]
		}
		for i := range keep {
			keep[i] = strings.TrimSpace(keep[i])
		}
		facts = append(facts, "row "+strings.Join(keep, "|"))
	}
	return facts
}

// logLines are the lines of logs that an app wrote.
func logLines(out string) (facts []string) {
	for line := range strings.Lines(colors.ReplaceAllString(out, "")) {
		if line = strings.TrimSpace(line); strings.HasSuffix(line, " line") {
			facts = append(facts, "log "+strings.Join(strings.Fields(line), " "))
		}
	}
	slices.Sort(facts)
	return facts
}

// list are all facts of the list.
func (s *side) list(out string) (facts []string) {
	flat := s.flatten(out)
	for _, key := range slices.Sorted(maps.Keys(flat)) {
		facts = append(facts, "list "+key+" "+flat[key])
	}
	return facts
}

// changes are the facts of the list that are not what they were.
func (s *side) changes() (facts []string) {
	now := s.flatten(s.pm2("jlist").out)
	for _, key := range slices.Sorted(maps.Keys(now)) {
		if was, ok := s.known[key]; !ok || was != now[key] {
			facts = append(facts, "list "+key+" "+now[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.known)) {
		if _, ok := now[key]; !ok {
			facts = append(facts, "gone "+key)
		}
	}
	s.known = now
	return facts
}

// byChance are keys whose values say nothing when they are there.
var byChance = []string{"pm_uptime", "created_at", "memory", "cpu"}

// flatten gives each field of each record a line.
func (s *side) flatten(out string) map[string]string {
	var records []map[string]any
	if err := json.Unmarshal([]byte(out), &records); err != nil {
		s.t.Errorf("jlist: %v in %.200q", err, out)
	}
	flat := map[string]string{}
	for _, r := range records {
		s.flattenValue(flat, fmt.Sprint(r["pm_id"]), r)
	}
	return flat
}

func (s *side) flattenValue(flat map[string]string, key string, v any) {
	last := key[strings.LastIndexByte(key, '.')+1:]
	switch v := v.(type) {
	case []any:
		if strings.HasPrefix(last, "axm_") && len(v) > 0 {
			flat[key] = "something"
			return
		}
	case map[string]any:
		switch {
		case len(v) == 0:
			flat[key] = "{}"
		case last == "axm_options":
			v = map[string]any{"module_name": v["module_name"], "module_version": v["module_version"]}
		case strings.HasPrefix(last, "axm_"):
			flat[key] = "something"
			return
		}
		for k, inner := range v {
			s.flattenValue(flat, key+"."+k, inner)
		}
		return
	case nil:
		if slices.Contains(byChance, last) {
			flat[key] = "N"
			return
		}
	case float64:
		switch {
		case slices.Contains(byChance, last):
			flat[key] = "N"
			return
		case last == "pid" && v > 0:
			flat[key] = "PID"
			return
		}
	}
	text, _ := json.Marshal(v)
	flat[key] = s.plain(string(text))
}

// record is what an app notes.
type record struct {
	ID   int    `json:"id"`
	What string `json:"what"`
	raw  map[string]any
}

// saw waits until n more notes of the apps are there, and returns them.
func (s *side) saw(n int, withEnv bool) (facts []string) {
	var list []record
	s.eventually(fmt.Sprintf("%d notes of the apps", n), func() bool {
		list = s.records()
		return len(list) >= s.seen+n
	})
	fresh := list[min(s.seen, len(list)):]
	s.seen = len(list)
	for _, r := range fresh {
		env, _ := r.raw["env"].(map[string]any)
		delete(r.raw, "env")
		text, _ := json.Marshal(r.raw)
		facts = append(facts, "app "+s.plain(string(text)))
		if !withEnv {
			continue
		}
		for key, value := range env {
			if slices.Contains(byChance, key) || slices.Contains(byChance, strings.TrimPrefix(key, "pm_")) {
				value = "N"
			}
			facts = append(facts, fmt.Sprintf("env %d %s=%s", r.ID, key, s.plain(fmt.Sprint(value))))
		}
	}
	slices.Sort(facts)
	return facts
}

func (s *side) records() (list []record) {
	text, _ := os.ReadFile(filepath.Join(s.dir, "rec"))
	for line := range strings.Lines(string(text)) {
		var r record
		if !strings.HasSuffix(line, "\n") || json.Unmarshal([]byte(line), &r) != nil || json.Unmarshal([]byte(line), &r.raw) != nil {
			continue
		}
		list = append(list, r)
	}
	return list
}

// files are what there is in the home, and was made beside the apps.
func (s *side) files() (facts []string) {
	for name, dir := range map[string]string{"home": filepath.Join(s.dir, "home"), "app": filepath.Join(s.dir, "app")} {
		_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil
			}
			rel := strings.TrimPrefix(path, dir)
			if _, given := os.Stat("testdata/app" + rel); name == "home" || given != nil {
				facts = append(facts, "file "+name+rel)
			}
			return nil
		})
	}
	slices.Sort(facts)
	return facts
}

func (s *side) cat(name string) []string {
	text, err := os.ReadFile(s.path(name))
	if err != nil {
		return []string{"no such file"}
	}
	if strings.HasSuffix(name, ".pid") {
		return []string{"content " + digits.ReplaceAllString(string(text), "PID")}
	}
	var facts []string
	for line := range strings.Lines(string(text)) {
		facts = append(facts, "content "+isoTime.ReplaceAllString(s.plain(strings.TrimRight(line, "\n")), "TIME"))
	}
	return facts
}

// killDaemon ends the daemon as an init script would: by its pid file.
func (s *side) killDaemon() []string {
	path := filepath.Join(s.dir, "home", ".pm2", "pm2.pid")
	text, err := os.ReadFile(path)
	if err != nil {
		return []string{"no pid file"}
	}
	p, err := os.FindProcess(number(string(text)))
	if err == nil {
		err = p.Signal(os.Interrupt)
	}
	s.eventually("the daemon's end", func() bool {
		_, err := os.Stat(path)
		return err != nil
	})
	s.eventually("the daemon's end", func() bool { return p.Signal(os.Signal(nilSignal)) != nil })
	s.known = map[string]string{}
	return []string{fmt.Sprint("signalled ", err)}
}
