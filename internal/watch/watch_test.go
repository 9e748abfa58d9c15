package watch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/internal/spec"
)

var roles []proctest.Role

func TestMain(m *testing.M) { proctest.Main(m, roles...) }

// folder is one with files in it, and what is told of it.
type folder struct {
	t       testing.TB
	dir     string
	watcher *Watcher
	reports chan Report
	n       uint64
}

const patience = 20 * time.Second

// watched begins to watch a folder that holds files.
func watched(t testing.TB, w spec.Watch, files ...string) *folder {
	f := &folder{t: t, dir: t.TempDir(), reports: make(chan Report, 64)}
	for _, name := range files {
		f.write(name)
	}
	f.watcher = New(func(k Key, r Report) {
		if k.N == f.n {
			f.reports <- r
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.watcher.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	f.watch(w, time.Time{})
	return f
}

func (f *folder) watch(w spec.Watch, since time.Time) {
	f.t.Helper()
	for i, p := range w.Paths {
		w.Paths[i] = filepath.Join(f.dir, p)
	}
	f.n++
	f.watcher.Watch(Request{Key: Key{1, f.n}, Watch: w, Cwd: f.dir, Avoid: []string{f.dir + "/own.txt"}, Since: since})
	if r, ok := f.report().(Began); !ok || r.Err != nil {
		f.t.Fatalf("%#v", r)
	}
}

func (f *folder) report() Report {
	f.t.Helper()
	select {
	case r := <-f.reports:
		return r
	case <-time.After(patience):
		f.t.Fatal("nothing is told")
		return nil
	}
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, name) }

func (f *folder) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// write makes a file, and the folders it is in.
func (f *folder) write(name string) {
	f.t.Helper()
	f.must(os.MkdirAll(filepath.Dir(f.path(name)), 0o755))
	f.must(os.WriteFile(f.path(name), []byte(name), 0o644))
}

func (f *folder) mkdir(name string)      { f.t.Helper(); f.must(os.Mkdir(f.path(name), 0o755)) }
func (f *folder) rename(from, to string) { f.t.Helper(); f.must(os.Rename(f.path(from), f.path(to))) }
func (f *folder) remove(name string)     { f.t.Helper(); f.must(os.RemoveAll(f.path(name))) }
func (f *folder) link(to, name string)   { f.t.Helper(); f.must(os.Symlink(to, f.path(name))) }

// want reads one report of changes, the paths sorted but for the first.
func (f *folder) want(names ...string) {
	f.t.Helper()
	c, ok := f.report().(Changed)
	var got []string
	for _, p := range c.Paths {
		name, _ := filepath.Rel(f.dir, p)
		got = append(got, name)
	}
	if len(got) > 1 {
		slices.Sort(got[1:])
	}
	if !ok || !slices.Equal(got, names) {
		f.t.Errorf("told of %v, want %v", got, names)
	}
}

func TestWhatMatters(t *testing.T) {
	ignore := []string{"tmp", "client/img", "gen/**/*.js", "./docs/"}
	for _, c := range []struct {
		name   string
		watch  spec.Watch
		files  []string
		change []string // ignored but for the last one, which is told
	}{
		{
			"usual",
			spec.Watch{},
			[]string{"node_modules/x/i.js", ".git/HEAD", ".cache/a"},
			[]string{"node_modules/x/i.js", ".git/HEAD", ".cache/a", ".env", "logs/a", "a.log", "a.js~", ".a.js.swp", "own.txt", "a.js"},
		},
		{
			"own list in its place",
			spec.Watch{Ignore: &ignore},
			[]string{"docs/a", "tmp/a", "client/img/x", "gen/a/b.js", "node_modules/i.js"},
			[]string{"docs/a", "tmp/a", "client/img/x", "gen/a/b.js", ".git/HEAD", "x.swp", "own.txt", "node_modules/i.js"},
		},
		{"no list", spec.Watch{Ignore: &[]string{}}, nil, []string{"4913", ".env"}},
		{"extensions", spec.Watch{Ext: []string{".js", ".json"}}, nil, []string{"a.txt", "sub/a.ts", "b.json"}},
		{"folders", spec.Watch{Paths: []string{"server", "lib"}}, []string{"server/a", "lib/a", "x"}, []string{"x", "new/a", "lib/deep/a"}},
		{"a file", spec.Watch{Paths: []string{"sub/a.js"}}, []string{"sub/a.js", "sub/deep/x"}, []string{"sub/b.js", "sub/deep/x", "sub/a.js"}},
		{"a pattern", spec.Watch{Paths: []string{"src/**/*.js"}}, []string{"src/a/b.js"}, []string{"src/a/b.css", "x.js", "src/c.js"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := watched(t, c.watch, c.files...)
			for _, name := range c.change {
				f.write(name)
			}
			got, ok := f.report().(Changed)
			last := c.change[len(c.change)-1]
			if first, _, _ := strings.Cut(last, "/deep"); !ok || !slices.Contains(got.Paths, f.path(last)) || len(got.Paths) > 1 && got.Paths[0] != f.path(first)+"/deep" {
				t.Errorf("told of %v, want %s", got.Paths, last)
			}
		})
	}
}

// However an editor saves, it is one change of the file.
func TestEditorsSave(t *testing.T) {
	for name, save := range map[string]func(f *folder){
		"truncate and write": func(f *folder) { f.write("a.js") },
		"vim": func(f *folder) {
			f.write("4913")
			f.remove("4913")
			f.rename("a.js", "a.js~")
			f.write("a.js")
			f.must(os.Chmod(f.path("a.js"), 0o755))
			f.remove("a.js~")
		},
		"beside and rename": func(f *folder) {
			f.write("a.js.tmp-1234")
			f.rename("a.js.tmp-1234", "a.js")
		},
		"touch": func(f *folder) {
			now := time.Now()
			f.must(os.Chtimes(f.path("a.js"), now, now))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := watched(t, spec.Watch{}, "a.js")
			save(f)
			if c, ok := f.report().(Changed); !ok || c.Paths[0] != f.path("a.js") {
				t.Errorf("told of %v", c)
			}
			f.write("b.js") // and nothing more was to be told
			f.want("b.js")
		})
	}
}

// Rights and owners are no content.
func TestChmodIsNoChange(t *testing.T) {
	f := watched(t, spec.Watch{}, "a.js", "old.js")
	old := time.Now().Add(-time.Hour)
	f.must(os.Chtimes(f.path("old.js"), old, old))
	f.watch(spec.Watch{}, time.Time{})
	f.must(os.Chmod(f.path("old.js"), 0o600))
	f.must(os.Chmod(f.dir, 0o750))
	f.write("a.js")
	f.want("a.js")
}

func TestNewFolders(t *testing.T) {
	f := watched(t, spec.Watch{}, "a.js")
	f.write("x/y/z/new.js")
	c, _ := f.report().(Changed)
	if !slices.Contains(c.Paths, f.path("x/y/z/new.js")) && !slices.Contains(c.Paths, f.path("x")) {
		t.Errorf("told of %v", c)
	}
	f.write("x/y/z/more.js")
	f.want("x/y/z/more.js")
	f.rename("x/y", "moved")
	f.want("moved", "moved/z/more.js", "moved/z/new.js", "x/y")
	f.write("moved/z/more.js")
	f.want("moved/z/more.js")
	f.remove("moved")
	f.report()
	f.write("moved/z/more.js") // the same name again
	f.report()
	f.write("moved/z/more.js")
	f.want("moved/z/more.js")
}

func TestRootGoesAndComesBack(t *testing.T) {
	f := watched(t, spec.Watch{Paths: []string{"deep/src"}}, "deep/src/a.js", "b.js")
	for range 2 {
		f.remove("deep")
		f.want("deep/src/a.js", "deep/src")
		f.write("b.js") // who waits does not tell of what is beside
		f.mkdir("deep")
		f.mkdir("deep/src")
		f.want("deep/src")
		f.write("deep/src/a.js")
		f.want("deep/src/a.js")
	}
}

func TestRootIsNotThereYet(t *testing.T) {
	f := watched(t, spec.Watch{Paths: []string{"a/b/c"}})
	f.write("a/x")
	f.write("a/b/c/file")
	c, _ := f.report().(Changed)
	if !slices.Contains(c.Paths, f.path("a/b/c")) {
		t.Errorf("told of %v", c)
	}
	f.write("a/b/c/file")
	f.want("a/b/c/file")
}

func TestLinks(t *testing.T) {
	outside := t.TempDir()
	f := watched(t, spec.Watch{}, "a.js")
	f.link(outside, "linked")
	f.want("linked")
	f.must(os.Mkdir(outside+"/sub", 0o755))
	f.want("linked/sub")
	f.link(f.dir, "round") // and round
	f.want("round")
	f.must(os.WriteFile(outside+"/sub/x.js", nil, 0o644))
	f.want("linked/sub/x.js")
	f.watch(spec.Watch{NoLinks: true}, time.Time{})
	f.must(os.WriteFile(outside+"/sub/x.js", nil, 0o644))
	f.write("a.js")
	f.want("a.js")
}

// A burst is told once, when it is over.
func TestBurst(t *testing.T) {
	f := watched(t, spec.Watch{Delay: 300 * time.Millisecond})
	begin := time.Now()
	for i := range 100 {
		f.write(fmt.Sprintf("f%02d.js", i))
	}
	c, ok := f.report().(Changed)
	if !ok || len(c.Paths) != mostNamed || c.More < 100-mostNamed || time.Since(begin) < 300*time.Millisecond {
		t.Errorf("%d paths and %d more after %v", len(c.Paths), c.More, time.Since(begin))
	}
}

// What changed while nobody watched is told of by who comes next.
func TestSince(t *testing.T) {
	f := watched(t, spec.Watch{}, "old.js", "sub/new.js", "node_modules/x.js")
	hour := time.Now().Add(-time.Hour)
	f.must(os.Chtimes(f.path("old.js"), hour, hour))
	f.watch(spec.Watch{}, time.Now().Add(-time.Minute))
	f.want("sub/new.js")
}

// What the system does not tell any more is found: something changed, and what
// came meanwhile is watched.
func TestOverflow(t *testing.T) {
	f := watched(t, spec.Watch{}, "a.js")
	held, hold := make(chan struct{}), make(chan struct{})
	f.watcher.Watch(Request{Key: Key{2, 0}, Watch: spec.Watch{}, Cwd: t.TempDir()})
	report := f.watcher.report
	blocked := New(func(k Key, r Report) {
		if _, ok := r.(Changed); ok && held != nil {
			close(held)
			<-hold
			held = nil
			return
		}
		report(k, r)
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- blocked.Run(ctx) }()
	defer func() { cancel(); <-done }()
	f.watcher.Unwatch(1)
	blocked.Watch(Request{Key: Key{1, f.n}, Cwd: f.dir})
	if _, ok := f.report().(Began); !ok {
		t.Fatal("not begun")
	}
	f.write("a.js")
	<-held
	most := 16384
	if text, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events"); err == nil {
		fmt.Sscan(string(text), &most)
	}
	pair := []*os.File{f.open("p"), f.open("q")}
	for i := range most + 10000 {
		_, err := pair[i%2].WriteString("x")
		f.must(err)
	}
	f.write("late/deep/x.js")
	close(hold)
	f.report()
	f.write("late/deep/x.js")
	for {
		if c, _ := f.report().(Changed); slices.Contains(c.Paths, f.path("late/deep/x.js")) {
			return
		}
	}
}

func (f *folder) open(name string) *os.File {
	file, err := os.Create(f.path(name))
	f.must(err)
	f.t.Cleanup(func() { file.Close() })
	return file
}
