package logs

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/proctest"
)

func TestOutputIsKeptByteForByte(t *testing.T) {
	long := strings.Repeat("y", 200<<10)
	for _, text := range []string{
		"", "one\n", "one", "\n", "\n\n\n", "a\nb\nc", "a\r\nb\rc\r\n", "\x00\xff\xfe\n\x00",
		long, long + "\n" + long + "\nend", strings.Repeat("z", bufferSize) + "\n", strings.Repeat("z", bufferSize-1) + "\nx",
	} {
		s := newStore(t, nil)
		say(t, open(t, s, Target{App: "a", Name: "out"}), nil, text)
		if got := content(t, logPath(s, "a-out.log")); got != text {
			t.Errorf("%d bytes in, %d on file: %.40q … %.40q", len(text), len(got), text, got)
		}
	}
}

func TestDefaultFilesAreNamedAfterTheApp(t *testing.T) {
	for app, want := range map[string]string{
		"web": "web", "a b/c": "a-b-c", "../../etc": "..-..-etc", "ü": "-", "": "-", "v1.2_x": "v1.2-x",
	} {
		if got := FileName(app); got != want {
			t.Errorf("FileName(%q) = %q, want %q", app, got, want)
		}
	}
	s := newStore(t, nil)
	say(t, open(t, s, Target{App: "a b", Name: "err"}), nil, "x\n")
	if got := content(t, logPath(s, "a-b-error.log")); got != "x\n" {
		t.Errorf("got %q", got)
	}
}

func TestFoldersAreMade(t *testing.T) {
	s := newStore(t, nil)
	path := filepath.Join(t.TempDir(), "deep", "er", "x.log")
	open(t, s, Target{App: "a", Name: "out", Path: path})
	if got := content(t, path); got != "" {
		t.Errorf("a new log holds %q", got)
	}
	info, err := os.Stat(logPath(s, ""))
	if err != nil || !info.IsDir() {
		t.Error(err)
	}
}

func TestAPathThatCannotBeIsInvalid(t *testing.T) {
	s := newStore(t, nil)
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o600)
	for _, path := range []string{filepath.Join(file, "x.log"), filepath.Dir(file)} {
		_, err := s.Open(Target{App: "a", Name: "out", Path: path})
		if fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: %v, code %q", path, err, fault.CodeOf(err))
		}
	}
	if len(s.files) != 0 {
		t.Error("a file that did not open is kept")
	}
}

func TestNullDropsAndRemembers(t *testing.T) {
	s := newStore(t, nil)
	var tail Tail
	say(t, open(t, s, Target{App: "a", Name: "out", Path: Null}), &tail, lines(5))
	if got := tail.Lines(2); !cmp.Equal(got, []string{"line 3", "line 4"}) {
		t.Errorf("tail %q", got)
	}
}

func TestATornLineIsEndedBeforeTheNextGeneration(t *testing.T) {
	s := newStore(t, nil)
	st := open(t, s, Target{App: "a", Name: "out"})
	say(t, st, nil, "first\ntorn")
	say(t, st, nil, "second\n")
	if got, want := content(t, logPath(s, "a-out.log")), "first\ntorn\nsecond\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestALineTornByAnEarlierDaemonIsEnded(t *testing.T) {
	s := newStore(t, nil)
	path := logPath(s, "a-out.log")
	os.WriteFile(path, []byte("old"), 0o600)
	say(t, open(t, s, Target{App: "a", Name: "out"}), nil, "new\n")
	if got := content(t, path); got != "old\nnew\n" {
		t.Errorf("got %q", got)
	}
}

func TestAnUnfinishedLineShowsAfterAWhile(t *testing.T) {
	s := newStore(t, nil)
	p := pipe(t, open(t, s, Target{App: "a", Name: "out"}), nil)
	write(t, p, "name? ")
	path := logPath(s, "a-out.log")
	eventually(t, "the prompt is on file", func() bool { return content(t, path) == "name? " })
	write(t, p, "Ann\nbye\n")
	finish(t, p)
	if got := content(t, path); got != "name? Ann\nbye\n" {
		t.Errorf("got %q", got)
	}
}

func TestLinesOfSharedFilesDoNotMix(t *testing.T) {
	s := newStore(t, nil)
	path := logPath(s, "both.log")
	const each = 3000
	var pipes []*Pipe
	for id := range 4 {
		pipes = append(pipes, pipe(t, open(t, s, Target{App: "a", ID: id, Name: "out", Path: path}), nil))
	}
	done := make(chan struct{})
	for id, p := range pipes {
		go func() {
			defer func() { done <- struct{}{} }()
			line := strings.Repeat(string(rune('a'+id)), 60)
			for i := range each {
				p.ChildEnd.WriteString(line[:30]) // every line in two writes
				p.ChildEnd.WriteString(line[30:] + "\n")
				_ = i
			}
		}()
	}
	for range pipes {
		<-done
	}
	for _, p := range pipes {
		finish(t, p)
	}
	whole := regexp.MustCompile(`^(a{60}|b{60}|c{60}|d{60})$`)
	count := 0
	for line := range strings.Lines(content(t, path)) {
		count++
		if !whole.MatchString(strings.TrimSuffix(line, "\n")) {
			t.Fatalf("mixed: %q", line)
		}
	}
	if count != 4*each {
		t.Errorf("%d lines, want %d", count, 4*each)
	}
}

func TestStampsStandBeforeEachLine(t *testing.T) {
	s := newStore(t, nil)
	st := open(t, s, Target{App: "a", Name: "out", Stamp: "YYYY-MM-DD HH:mm:ss.SSS Z"})
	say(t, st, nil, "one\n\ntwo")
	got := content(t, logPath(s, "a-out.log"))
	stamp := `\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [+-]\d\d:\d\d: `
	if !regexp.MustCompile("^" + stamp + "one\n" + stamp + "\n" + stamp + "two$").MatchString(got) {
		t.Errorf("got %q", got)
	}
}

func TestAStampIsNotPutWithinALine(t *testing.T) {
	s := newStore(t, nil)
	p := pipe(t, open(t, s, Target{App: "a", Name: "out", Stamp: "[t]"}), nil)
	path := logPath(s, "a-out.log")
	write(t, p, "name? ")
	eventually(t, "the prompt is on file", func() bool { return content(t, path) == "t: name? " })
	write(t, p, "Ann\nbye\n")
	finish(t, p)
	if got := content(t, path); got != "t: name? Ann\nt: bye\n" {
		t.Errorf("got %q", got)
	}
}

func TestStampTokens(t *testing.T) {
	at := time.Date(2026, time.March, 2, 15, 4, 5, 67e6, time.FixedZone("x", -5*3600))
	for format, want := range map[string]string{
		"YYYY-MM-DD HH:mm:ss.SSS": "2026-03-02 15:04:05.067",
		"YY M D H h m s":          "26 3 2 15 3 4 5",
		"MMM MMMM ddd dddd dd d":  "Mar March Mon Monday Mo 1",
		"hh A a":                  "03 PM pm",
		"Z ZZ":                    "-05:00 -0500",
		"[at] HH[h]":              "at 15h",
		"Do Q X x":                "2nd 1 1772481845 1772481845067",
		"":                        "",
		"[":                       "[",
		"YYYY/ü%?":                "2026/ü%?",
	} {
		if got := string(newStamper(format).format(nil, at)); got != want {
			t.Errorf("%q gives %q, want %q", format, got, want)
		}
	}
}

func TestTailKeepsBothStreamsInOrder(t *testing.T) {
	s := newStore(t, nil)
	var tail Tail
	say(t, open(t, s, Target{App: "a", Name: "out"}), &tail, "starting\nbinding")
	say(t, open(t, s, Target{App: "a", Name: "err"}), &tail, "Error: no\r\n    at x\n")
	want := []string{"starting", "binding", "Error: no", "    at x"}
	if got := tail.Lines(20); !cmp.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := tail.Lines(1); !cmp.Equal(got, want[3:]) {
		t.Errorf("got %q", got)
	}
}

func TestTailIsBounded(t *testing.T) {
	s := newStore(t, nil)
	var tail Tail
	st := open(t, s, Target{App: "a", Name: "out"})
	say(t, st, &tail, lines(100_000))
	if got := tail.Lines(2); !cmp.Equal(got, []string{"line 99998", "line 99999"}) {
		t.Errorf("got %q", got)
	}
	if cap(tail.text) > 16<<10 {
		t.Errorf("%d bytes kept", cap(tail.text))
	}
	for _, l := range tail.Lines(1000) {
		if !strings.HasPrefix(l, "line ") {
			t.Fatalf("a cut line: %q", l)
		}
	}
}

func TestRawLogsGoAroundUs(t *testing.T) {
	s := newStore(t, nil)
	path := logPath(s, "a-out.log")
	os.WriteFile(path, []byte("old"), 0o600)
	var tail Tail
	st := open(t, s, Target{App: "a", Name: "out", Raw: true})
	p := pipe(t, st, &tail)
	<-p.Done()
	write(t, p, "one\ntwo\n")
	if got := content(t, path); got != "old\none\ntwo\n" {
		t.Errorf("got %q", got)
	}
	if got := tail.Lines(20); !cmp.Equal(got, []string{"one", "two"}) {
		t.Errorf("tail %q", got)
	}
	err := s.Read(t.Context(), Request{Targets: []Target{st.Target()}, Follow: true}, nil)
	if fault.CodeOf(err) != fault.Unsupported {
		t.Errorf("follow of a raw log: %v", err)
	}
}

func TestFlushAndOthersTruncate(t *testing.T) {
	s := newStore(t, nil)
	st := open(t, s, Target{App: "a", Name: "out"})
	path := logPath(s, "a-out.log")
	p := pipe(t, st, nil)
	write(t, p, "old\nto")
	eventually(t, "the old text is on file", func() bool { return content(t, path) == "old\nto" })
	if err := s.Flush(st.Target()); err != nil {
		t.Fatal(err)
	}
	if got := content(t, path); got != "" {
		t.Errorf("after flush %q", got)
	}
	write(t, p, "rn\nnew\n")
	eventually(t, "later output appears", func() bool { return content(t, path) == "rn\nnew\n" })
	os.Truncate(path, 0)
	write(t, p, "more\n")
	finish(t, p)
	if got := content(t, path); got != "more\n" {
		t.Errorf("after truncation %q", got)
	}
}

func TestFlushOfWhatIsNotOpen(t *testing.T) {
	s := newStore(t, nil)
	path := logPath(s, "x.log")
	os.WriteFile(path, []byte("old"), 0o600)
	err := s.Flush(Target{Path: path}, Target{Path: logPath(s, "none.log")}, Target{Path: Null})
	if err != nil || content(t, path) != "" {
		t.Errorf("%v, %q", err, content(t, path))
	}
}

func TestReopenFollowsTheName(t *testing.T) {
	s := newStore(t, nil)
	path := logPath(s, "a-out.log")
	p := pipe(t, open(t, s, Target{App: "a", Name: "out"}), nil)
	write(t, p, "one\n")
	eventually(t, "one", func() bool { return content(t, path) == "one\n" })
	os.Rename(path, path+".1")
	write(t, p, "two\n")
	eventually(t, "two", func() bool { return content(t, path+".1") == "one\ntwo\n" })
	if err := s.Reopen(); err != nil {
		t.Fatal(err)
	}
	write(t, p, "three\n")
	finish(t, p)
	if got := content(t, path); got != "three\n" {
		t.Errorf("got %q", got)
	}
}

func TestADeletedFileAndFolderComeBack(t *testing.T) {
	var errs errorList
	s := newStore(t, errs.add)
	dir := filepath.Join(t.TempDir(), "logs")
	path := filepath.Join(dir, "x.log")
	p := pipe(t, open(t, s, Target{App: "a", Name: "out", Path: path}), nil)
	write(t, p, "one\n")
	eventually(t, "one", func() bool { return content(t, path) == "one\n" })
	os.RemoveAll(dir)
	write(t, p, "two\n")
	finish(t, p)
	if got := content(t, path); got != "two\n" {
		t.Errorf("got %q", got)
	}
	if len(errs.all()) != 0 {
		t.Errorf("told %v", errs.all())
	}
}

func TestAFolderThatCannotComeBackLosesLinesAndSaysSo(t *testing.T) {
	var errs errorList
	s := newStore(t, errs.add)
	dir := filepath.Join(t.TempDir(), "logs")
	path := filepath.Join(dir, "x.log")
	target := Target{App: "a", Name: "out", Path: path}
	p := pipe(t, open(t, s, target), nil)
	os.RemoveAll(dir)
	os.WriteFile(dir, nil, 0o600) // a file where the folder was
	write(t, p, lines(10))
	eventually(t, "the error is told", func() bool { return len(errs.all()) == 1 })
	os.Remove(dir)
	eventually(t, "who asks for the lines is told", func() bool {
		return slices.Equal(texts(collect(t, s, Request{Targets: []Target{target}, Lines: 1}, nil)), []string{"tend: 10 lines lost here: not a directory"})
	})
	write(t, p, "back\n")
	finish(t, p)
	if got, want := content(t, path), "tend: 10 lines lost here: not a directory\nback\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(errs.all()) != 1 {
		t.Errorf("told %v", errs.all())
	}
}

func TestAFullDiskLosesLinesAndSaysSo(t *testing.T) {
	dir := t.TempDir()
	out, err := proctest.Command("limited", dir).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := content(t, filepath.Join(dir, "a-out.log"))
	if !regexp.MustCompile(`(?s)^(line \d+\n)+(lin[^\n]*\n)?tend: \d+ lines lost here: file too large\n.*again\n$`).MatchString(got) {
		t.Errorf("got %q", got)
	}
}

func TestADeviceThatIsFullStopsNobody(t *testing.T) {
	var errs errorList
	s := newStore(t, errs.add)
	st, err := s.Open(Target{App: "a", Name: "out", Path: "/dev/full"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Release)
	say(t, st, nil, lines(200_000))
	if got := errs.all(); len(got) != 1 || !strings.Contains(got[0].Error(), "no space left on device") {
		t.Errorf("told %v", got)
	}
}

func TestAQuietPipeHoldsNothing(t *testing.T) {
	s := newStore(t, nil)
	p := pipe(t, open(t, s, Target{App: "a", Name: "out"}), nil)
	write(t, p, strings.Repeat("x", 3000)+"\nrest")
	eventually(t, "the rest is on file", func() bool { return strings.HasSuffix(content(t, logPath(s, "a-out.log")), "rest") })
	finish(t, p)
	if p.slot != nil || p.impulse != nil || p.sleeper != nil {
		t.Error("a buffer is held")
	}
}

func TestReplacedStreamsLiveOnWithTheirPipes(t *testing.T) {
	s := newStore(t, nil)
	old := open(t, s, Target{App: "a", Name: "out", Path: logPath(s, "1.log")})
	p := pipe(t, old, nil)
	other := open(t, s, Target{App: "a", Name: "out", Path: logPath(s, "2.log")})
	if old == other {
		t.Fatal("the same stream")
	}
	write(t, p, "to the old\n")
	say(t, other, nil, "to the new\n")
	finish(t, p)
	if a, b := content(t, logPath(s, "1.log")), content(t, logPath(s, "2.log")); a != "to the old\n" || b != "to the new\n" {
		t.Errorf("%q, %q", a, b)
	}
	if open(t, s, other.Target()) != other {
		t.Error("the stream in use is not shared")
	}
}

func FuzzWhole(f *testing.F) {
	f.Add([]byte("a\nbc\n\nd"), uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		// However the stream is cut, the lines are the stream, and whole.
		var rest, out []byte
		for in := data; len(in) > 0; {
			n := min(int(step)+1, len(in))
			buf := append(append([]byte(nil), rest...), in[:n]...)
			in = in[n:]
			lines := whole(buf, len(rest))
			if len(lines) > 0 && lines[len(lines)-1] != '\n' {
				t.Fatalf("cut within a line: %q", lines)
			}
			if bytes.IndexByte(buf[len(lines):], '\n') >= 0 {
				t.Fatalf("held back: %q", buf[len(lines):])
			}
			out, rest = append(out, lines...), append([]byte(nil), buf[len(lines):]...)
		}
		if out = append(out, rest...); !bytes.Equal(out, data) {
			t.Fatalf("%q came out as %q", data, out)
		}
	})
}
