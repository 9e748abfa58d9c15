package pm2test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/proctest"
)

// fronts are command lines of the names that stay in the foreground: what is waited
// for before a signal comes, if any.
var fronts = []struct {
	line  string
	until []string // expressions
	touch string   // a file that changes when until was seen; then what follows it is waited for
	then  string
	sig   syscall.Signal
	only  string // facts that begin so are compared; "" for all
	but   string // an expression for those that are not; "" for none
}{
	{line: "pm2-runtime ok.js -- a b", until: []string{"tick"}, sig: syscall.SIGTERM},
	{line: "pm2-runtime start ok.js", until: []string{"tick"}, sig: syscall.SIGINT},
	{line: "pm2-runtime --json two.config.js", until: []string{`"tick".*"process_id":0`, `"tick".*"process_id":1`, `"tick".*"process_id":2`}, sig: syscall.SIGTERM},
	{line: "pm2-runtime --format two.config.js --env x --only a", until: []string{"tick"}, sig: syscall.SIGTERM},
	{line: "pm2-runtime --formatted --only longername two.config.js", until: []string{`0\|longername  \| tick`, `1\|longername  \| tick`}, sig: syscall.SIGTERM},
	{line: "pm2-runtime -i 2 --name w ok.js", until: []string{" 0 ", " 1 ", "tick"}, sig: syscall.SIGTERM},
	{line: "pm2-runtime --secret a --public b --raw ok.js", until: []string{"tick"}, sig: syscall.SIGTERM},
	{line: "pm2-runtime ok.js --output out.log --error err.log", until: []string{"tick"}, sig: syscall.SIGTERM},
	{line: "pm2-runtime ok.js --no-color", until: []string{"tick"}, sig: syscall.SIGHUP, only: "ended"}, // PM2 leaves its apps alone then
	{line: "pm2-runtime --no-autorestart seven.js"},
	{line: "pm2 start ok.js --no-daemon", until: []string{`\d 0\|ok +\| tick`}, sig: syscall.SIGINT, but: whileEnding},
	{line: "pm2-runtime -V"},
	{line: "pm2-runtime"},
	{line: "pm2-docker -V"},
	{line: "pm2-dev ok.js", until: []string{"tick"}, sig: syscall.SIGINT},
	{line: "pm2-dev --raw ok.js", until: []string{"tick"}, touch: "ok.js", then: `(?s)App ok restarted.*hello`, sig: syscall.SIGINT},
	{line: "pm2-dev start workers.config.js --timestamp --ignore tmp", until: []string{`longername-1  \| tick`, `longername-0  \| tick`}, sig: syscall.SIGINT},
	{line: "pm2-dev ok.js --timestamp", until: []string{"tick"}, sig: syscall.SIGTERM, only: "ended"}, // likewise
	{line: "pm2-dev -V"},
	{line: "pm2-dev"},
}

// whileEnding are facts of the end, which with --no-daemon PM2 comes to by dying of the
// signal; and what it says of itself, and the list.
const whileEnding = `^ended|Stopping app|exited with|successfully|pm2 launched|[│├┌└]|Launching`

// liveFronts are run against PM2 itself each time.
var liveFronts = []string{"pm2-runtime ok.js -- a b", "pm2-dev ok.js"}

// Who calls tend by the names that stay in the foreground sees what they saw of PM2.
func TestForegroundAsPM2(t *testing.T) {
	proctest.FirstNode(t)
	tend := build(t)
	for _, name := range []string{"pm2-runtime", "pm2-docker", "pm2-dev"} {
		if err := os.Symlink("tend", filepath.Join(filepath.Dir(tend), name)); err != nil {
			t.Fatal(err)
		}
	}
	const golden = "testdata/front/front.golden"
	if *recordAll {
		var all []block
		for i, f := range fronts {
			t.Run("record "+f.line, func(t *testing.T) { all = append(all, block{f.line, playFront(t, realPM2(t), i)}) })
		}
		keep(t, golden, all)
	}
	recorded := read(t, golden)
	for i, f := range fronts {
		t.Run(f.line, func(t *testing.T) {
			t.Parallel()
			if i >= len(recorded) || recorded[i].line != f.line {
				t.Fatal("not recorded: record it anew")
			}
			want := recorded[i].facts
			if slices.Contains(liveFronts, f.line) && os.Getenv("TEND_TEST_MODULES") != "" {
				want = playFront(t, realPM2(t), i)
			}
			got := playFront(t, []string{tend}, i)
			for _, fact := range minus(want, got) {
				t.Errorf("- %s", fact)
			}
			for _, fact := range minus(got, want) {
				t.Errorf("+ %s", fact)
			}
		})
	}
}

// playFront carries out a line with the program that pm2 is beside, and returns what
// was seen, each once.
func playFront(t *testing.T, pm2 []string, at int) []string {
	f := fronts[at]
	s := newSide(t, pm2)
	dir := filepath.Join(s.dir, "front")
	if err := os.CopyFS(dir, os.DirFS("testdata/front")); err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(f.line)
	argv := append(slices.Clone(pm2[:len(pm2)-1]), filepath.Join(filepath.Dir(pm2[len(pm2)-1]), words[0]))
	argv = append(argv, words[1:]...)
	cmd := exec.Command(argv[0], argv[1:]...)
	var out, errs lines
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, s.env, &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	wait := make(chan error, 1)
	go func() { wait <- cmd.Wait() }()
	seen := func(what string) func() bool {
		re := regexp.MustCompile(what)
		return func() bool { return re.MatchString(out.String()) }
	}
	for _, what := range f.until {
		s.eventually(f.line+": "+what, seen(what))
	}
	if f.touch != "" {
		var last time.Time
		s.eventually(f.line+": "+f.then, func() bool {
			if time.Since(last) > 2*time.Second { // PM2 watches only after a while
				last = time.Now()
				if err := os.Chtimes(filepath.Join(dir, f.touch), last, last); err != nil {
					t.Error(err)
				}
			}
			return seen(f.then)()
		})
	}
	if f.sig != 0 {
		if err := cmd.Process.Signal(f.sig); err != nil {
			t.Error(err)
		}
	}
	<-wait
	s.strays()
	facts := []string{"ended " + ending(cmd.ProcessState)}
	if words[len(words)-1] == words[0] { // the help is ours
		return facts
	}
	facts = append(facts, frontFacts("out", out.String(), strings.Contains(f.line, "--json"))...)
	facts = append(facts, frontFacts("err", errs.String(), false)...)
	for _, name := range []string{"out.log", "err.log"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			facts = append(facts, frontFacts(name, string(text), false)...)
		}
	}
	facts = slices.DeleteFunc(facts, func(fact string) bool {
		return !strings.HasPrefix(fact, f.only) || f.but != "" && regexp.MustCompile(f.but).MatchString(fact) || strings.HasPrefix(fact, "err tend: ")
	})
	slices.Sort(facts)
	return slices.Compact(facts)
}

// ending is how a process ended, as a shell tells it.
func ending(st *os.ProcessState) string {
	if ws, ok := st.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return fmt.Sprint("exit status ", 128+int(ws.Signal()))
	}
	return st.String()
}

// strays ends what PM2 leaves behind when a signal ends it; tend leaves nothing.
func (s *side) strays() {
	mark := []byte("REC=" + filepath.Join(s.dir, "rec"))
	left := bearing(mark)
	if len(left) > 0 && filepath.Base(s.argv[0]) == "pm2" {
		s.t.Errorf("left behind: %v", left)
	}
	for _, pid := range left {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

var (
	frontTimes = regexp.MustCompile(`\d{4}-\d\d-\d\d[-T ]\d\d:\d\d:\d\d(\.\d+)?([+-]\d{4}|Z)?|\b\d\d:\d\d:\d\d\b`)
	// frontLog are the lines of PM2's log that tend has, too.
	frontLog = regexp.MustCompile(`PM2 log: (App \[.* (starting in|online|exited)|Stopping app|0 application|Launching|PM2 successfully)`)
)

// frontFacts are the lines of text. With only, those that are objects.
func frontFacts(where, text string, only bool) (facts []string) {
	for line := range strings.Lines(text) {
		line = frontTimes.ReplaceAllString(strings.TrimSuffix(line, "\n"), "TIME")
		switch {
		case strings.Contains(line, "PM2 log:") && (only || !frontLog.MatchString(line)):
		default:
			facts = append(facts, where+" "+line)
		}
	}
	return facts
}

// lines is output that can be read while it is written.
type lines struct {
	mu sync.Mutex // guards b
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// bearing lists the processes that have mark in their environment.
func bearing(mark []byte) (pids []int) {
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environs {
		env, err := os.ReadFile(path)
		pid, perr := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && perr == nil && bytes.Contains(env, mark) {
			pids = append(pids, pid)
		}
	}
	return pids
}
