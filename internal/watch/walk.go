package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/glob"
)

// rootOf makes a folder to watch of a path or pattern that is to be.
func rootOf(path string) root {
	base, rest := glob.Split(path)
	if rest != "" {
		return root{dir: filepath.Clean(base), pattern: path}
	}
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return root{dir: filepath.Dir(path), pattern: path, flat: true}
	}
	return root{dir: path}
}

// enter watches a root; where it is not there, the nearest folder above it in
// which it will come to be.
func (t *tree) enter(s *sub, r root) {
	for real := range t.dirs {
		t.leave(real, func(u use) bool { return u.sub == s && u.wait && u.root == r })
	}
	for {
		dir := nearest(r.dir)
		if dir == r.dir {
			t.walk(s, r, dir, s.Since)
			return
		}
		t.ask(use{sub: s, root: r, path: dir, wait: true})
		if nearest(r.dir) == dir { // it has not come meanwhile
			return
		}
	}
}

// nearest is path if it is a folder, else the first folder above it.
func nearest(path string) string {
	for path != filepath.Dir(path) {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			break
		}
		path = filepath.Dir(path)
	}
	return path
}

// walk watches a folder and those below it. What in them has changed since then
// counts; nothing does if that is zero.
func (t *tree) walk(s *sub, r root, dir string, since time.Time) {
	if !s.filter.enters(r, dir) || !t.ask(use{sub: s, root: r, path: dir}) {
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.trouble(s, limitFault(err, dir))
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.Type().IsRegular() && since.IsZero() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue
		}
		if t.folder(s, path, info) {
			t.walk(s, r, path, since)
		} else if !since.IsZero() && since.Before(info.ModTime()) && info.ModTime().Before(time.Now()) && s.filter.wants(r, path, false) {
			s.burst.add(path, time.Now())
		}
	}
}

// folder says whether path is one, by itself or as a link that is to be followed.
func (t *tree) folder(s *sub, path string, info fs.FileInfo) bool {
	if info.Mode()&fs.ModeSymlink == 0 || s.Watch.NoLinks {
		return info.IsDir()
	}
	to, err := os.Stat(path)
	return err == nil && to.IsDir()
}

// ask has the system tell of a folder. It is false if it does already, for the
// same watch and root, or cannot.
func (t *tree) ask(u use) bool {
	real, err := filepath.EvalSymlinks(u.path)
	if err != nil {
		return false
	}
	d := t.dirs[real]
	if d == nil {
		if err := t.notify.Add(real); err != nil {
			t.trouble(u.sub, limitFault(err, u.path))
			return false
		}
		d = &dir{}
		t.dirs[real] = d
	}
	for _, have := range d.uses {
		if have.sub == u.sub && have.root == u.root && have.wait == u.wait {
			return false
		}
	}
	d.uses = append(d.uses, u)
	return true
}

// gone forgets a folder that was removed or renamed, with what was below it; roots
// are waited for.
func (t *tree) gone(real string) {
	var uses []use
	for path, d := range t.dirs {
		if path == real || below(path, real) {
			uses = append(uses, d.uses...)
			t.leave(path, func(use) bool { return true })
		}
	}
	for _, u := range uses {
		if u.path == u.root.dir {
			u.sub.burst.add(u.path, time.Now())
		}
		if u.wait || u.path == u.root.dir {
			t.enter(u.sub, u.root)
		}
	}
}

// limitFault says what keeps a folder from being watched, and what to do.
func limitFault(err error, path string) error {
	f := &fault.Error{Code: fault.Unsupported, Field: "--watch", Message: "cannot watch " + path, Err: err}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		f.Message = fmt.Sprintf("cannot watch %s: all watches that the system allows are in use%s", path, limit("max_user_watches"))
		f.Err = nil
		f.Remedy = "Allow more: sysctl fs.inotify.max_user_watches=524288. Or leave folders out with --ignore-watch."
	case errors.Is(err, syscall.EMFILE):
		f.Message = fmt.Sprintf("cannot watch %s: all watchers that the system allows are in use%s", path, limit("max_user_instances"))
		f.Err = nil
		f.Remedy = "Allow more: sysctl fs.inotify.max_user_instances=512."
	case errors.Is(err, fs.ErrPermission):
		f.Code, f.Remedy = fault.Denied, "Let the user that tend runs as read it, or leave it out with --ignore-watch."
	}
	return f
}

// limit is how many the system allows, in words.
func limit(name string) string {
	text, err := os.ReadFile("/proc/sys/fs/inotify/" + name)
	if err != nil || len(text) < 2 {
		return ""
	}
	return fmt.Sprintf(" (fs.inotify.%s = %s)", name, text[:len(text)-1])
}
