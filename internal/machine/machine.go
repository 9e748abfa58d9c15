// Package machine tells internal/spec about the computer it runs on: its
// files, programs, accounts and CPUs.
package machine

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/tendproc/tend/internal/spec"
	"github.com/tendproc/tend/internal/sys"
)

// maxRead is how much of a file ReadFile returns.
const maxRead = 256 << 10

// ErrNotOnPath says that LookPath found no such program.
var ErrNotOnPath = errors.New("not in the folders of $PATH")

// OS is the computer tend runs on. The zero value is ready; it holds nothing,
// so it may be used from any goroutine.
type OS struct{}

var _ spec.Machine = OS{}

// Stat follows links.
func (OS) Stat(path string) (spec.FileInfo, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return spec.FileInfo{}, reason(err)
	}
	info := spec.FileInfo{Dir: fi.IsDir(), Readable: sys.MayRead(path), Executable: sys.MayExecute(path)}
	return info, nil
}

// LookPath looks in the absolute folders of pathVar only: the daemon's working
// folder means nothing to a caller.
func (OS) LookPath(name, pathVar string) (string, error) {
	for _, dir := range filepath.SplitList(pathVar) {
		if !filepath.IsAbs(dir) {
			continue
		}
		path := filepath.Join(dir, name)
		if fi, err := os.Stat(path); err == nil && fi.Mode().IsRegular() && sys.MayExecute(path) {
			return path, nil
		}
	}
	return "", ErrNotOnPath
}

// ReadFile reads regular files only, so that a pipe cannot hold its caller up.
func (OS) ReadFile(path string) ([]byte, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, reason(err)
	}
	if !fi.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, reason(err)
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxRead))
}

// CPUs counts those this process may run on.
func (OS) CPUs() int { return runtime.NumCPU() }

// Home is $HOME, else what the account says, else "".
func (OS) Home() string {
	if home := os.Getenv("HOME"); home != "" {
		return home
	}
	if u, err := user.Current(); err == nil {
		return u.HomeDir
	}
	return ""
}

// LookupUser takes a number even where no account has it: containers run as such.
func (OS) LookupUser(name string) (spec.User, error) {
	u, err := user.Lookup(name)
	if n, bad := strconv.Atoi(name); err != nil && bad == nil {
		if u, err = user.LookupId(name); err != nil {
			return spec.User{UID: n, GID: n, Home: "/"}, nil
		}
	}
	if err != nil {
		return spec.User{}, err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return spec.User{}, err
	}
	gid, err := strconv.Atoi(u.Gid)
	return spec.User{UID: uid, GID: gid, Home: u.HomeDir}, err
}

// LookupGroup takes a number as it is.
func (OS) LookupGroup(name string) (int, error) {
	if gid, err := strconv.Atoi(name); err == nil {
		return gid, nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(g.Gid)
}

// reason drops the operation and path from a file error: the caller says them
// in its own words.
func reason(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
