package watch

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/glob"
	"github.com/tendproc/tend/internal/spec"
)

// usual is ignored unless patterns are given: what is hidden, what was installed
// and what was written down.
var usual = []string{".?*", "node_modules", "logs", "*.log", "*.pid"}

// always is ignored in any case: what version control and editors write beside.
var always = []string{".git", ".hg", ".svn", "*~", ".#*", "#*#", "*.sw[a-p]", "4913", ".DS_Store"}

// system is where files change that nobody wrote.
var system = []string{"/proc", "/sys", "/dev"}

// filter says which paths matter to one watch.
type filter struct {
	cwd    string
	ignore []string // patterns
	avoid  []string // paths
	ext    []string
	roots  []root
}

// root is a folder that is watched with all below it.
type root struct {
	dir     string
	pattern string // of the paths that matter, absolute; "" for all
	flat    bool   // not what is below its folders
}

func newFilter(w spec.Watch, cwd string, avoid []string) filter {
	f := filter{cwd: cwd, ignore: usual, avoid: slices.Concat(avoid, system), ext: w.Ext}
	if w.Ignore != nil {
		f.ignore = *w.Ignore
	}
	return f
}

// ignores says that path does not matter, nor what is below it.
func (f *filter) ignores(path string) bool {
	name := filepath.Base(path)
	return slices.ContainsFunc(always, func(p string) bool { return glob.Match(p, name) }) ||
		slices.Contains(f.avoid, path) ||
		slices.ContainsFunc(f.ignore, func(p string) bool { return f.matches(p, path) })
}

// matches reads a pattern: one without a slash means names, wherever; others mean
// paths below the working folder or a watched one.
func (f *filter) matches(pattern, path string) bool {
	pattern = strings.TrimSuffix(strings.TrimPrefix(pattern, "./"), "/")
	switch {
	case !strings.Contains(pattern, "/"):
		return glob.Match(pattern, filepath.Base(path))
	case filepath.IsAbs(pattern):
		return glob.Match(pattern, path)
	}
	return slices.ContainsFunc(append([]string{f.cwd}, f.folders()...), func(dir string) bool {
		rel, err := filepath.Rel(dir, path)
		return err == nil && glob.Match(pattern, filepath.ToSlash(rel))
	})
}

func (f *filter) folders() (dirs []string) {
	for _, r := range f.roots {
		dirs = append(dirs, r.dir)
	}
	return dirs
}

// wants says that a change of path below r matters; dir that it is a folder.
func (f *filter) wants(r root, path string, dir bool) bool {
	switch {
	case f.ignores(path):
		return false
	case r.pattern != "" && !glob.Match(r.pattern, path):
		return false
	case len(f.ext) > 0:
		return !dir && slices.ContainsFunc(f.ext, func(e string) bool { return strings.HasSuffix(path, e) })
	}
	return true
}

// enters says that the folder at path is watched, too.
func (f *filter) enters(r root, path string) bool {
	return path == r.dir || !r.flat && !f.ignores(path)
}

// How long changes are collected before they are told of.
const (
	leastQuiet = 100 * time.Millisecond // after the last one; a longer delay is the operator's
	mostQuiet  = 10                     // times that, after the first one
	mostNamed  = 32                     // paths that are remembered
)

// burst is changes that came so close to each other that they are told of as one.
type burst struct {
	first, last time.Time
	paths       []string
	more        int
}

func (b *burst) add(path string, now time.Time) {
	if b.first.IsZero() {
		b.first = now
	}
	b.last = now
	switch {
	case path == "" || slices.Contains(b.paths, path):
	case len(b.paths) < mostNamed:
		b.paths = append(b.paths, path)
	default:
		b.more++
	}
}

// due is when the burst is over, zero if there is none.
func (b *burst) due(delay time.Duration) time.Time {
	if b.first.IsZero() {
		return time.Time{}
	}
	quiet := max(delay, leastQuiet)
	last, most := b.last.Add(quiet), b.first.Add(mostQuiet*quiet)
	if most.Before(last) {
		return most
	}
	return last
}
