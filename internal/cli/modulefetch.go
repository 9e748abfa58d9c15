package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/machine"
	"github.com/tendproc/tend/internal/pm2"
)

// fetchModule has npm install what word names into a new folder.
func (c *command) fetchModule(ctx context.Context, home pm2.Home, word string) (staging string, err error) {
	npm, err := machine.OS{}.LookPath("npm", c.env("PATH"))
	if err != nil {
		return "", &fault.Error{Code: fault.NotFound, Message: "npm is not in $PATH, which fetches modules", Remedy: "Install Node with npm."}
	}
	if err := os.MkdirAll(home.Modules, 0o755); err != nil {
		return "", err
	}
	staging, err = os.MkdirTemp(home.Modules, ".new-")
	if err != nil {
		return "", err
	}
	if err = pm2.Replace(filepath.Join(staging, "package.json"), []byte("{}\n")); err == nil {
		c.say("%s\n", c.paint(dim, "npm installs "+clean(word)+" …"))
		err = c.npm(ctx, npm, staging, "install", "--install-links", "--no-audit", "--no-fund", "--loglevel=error", "--", c.source(word))
	}
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(staging))
	}
	return staging, nil
}

func (c *command) npm(ctx context.Context, npm, dir string, args ...string) error {
	out, err := child.ExecFile(ctx, npm, args, child.ExecOptions{Dir: dir, Env: c.Env, MaxBuffer: 16 << 20})
	if _, failed := errors.AsType[*child.ExitError](err); !failed {
		return err
	}
	f := &fault.Error{Code: fault.StartFailed, Message: "npm could not install it; nothing was changed", Remedy: "See what npm says of it."}
	lines := strings.Split(strings.TrimSpace(string(bytes.Join([][]byte{out.Stdout, out.Stderr}, nil))), "\n")
	f.Log = lines[max(0, len(lines)-20):]
	return f
}

// source is what npm is told: paths are the caller's, not those of the folder that it
// installs into.
func (c *command) source(word string) string {
	if strings.HasPrefix(word, ".") || strings.HasPrefix(word, "~/") || strings.HasSuffix(word, ".tgz") || strings.HasSuffix(word, ".tar.gz") {
		if path := c.path(word); exists(path) {
			return path
		}
	}
	return word
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// fetched is the name of the package that npm was asked for.
func fetched(staging string) (string, error) {
	text, err := os.ReadFile(filepath.Join(staging, "package.json"))
	if err != nil {
		return "", err
	}
	var p struct {
		Dependencies map[string]string `json:"dependencies"`
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return "", err
	}
	names := slices.Collect(maps.Keys(p.Dependencies))
	if len(names) != 1 || !filepath.IsLocal(names[0]) {
		return "", &fault.Error{Code: fault.Invalid, Message: "npm installed no package", Remedy: "Name a package, a folder, a tarball or a repository of git."}
	}
	return names[0], nil
}

func oldOf(place string) string {
	return filepath.Join(filepath.Dir(place), ".old-"+filepath.Base(place))
}

// replaceFolder puts a folder in its place; restore puts back what was there.
func replaceFolder(place, fresh string) (restore func() error, err error) {
	if err := errors.Join(os.MkdirAll(filepath.Dir(place), 0o755), os.RemoveAll(oldOf(place))); err != nil {
		return nil, err
	}
	err = os.Rename(place, oldOf(place))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	restore = func() error {
		err := os.RemoveAll(place)
		if exists(oldOf(place)) {
			err = errors.Join(err, os.Rename(oldOf(place), place))
		}
		return err
	}
	if err := os.Chmod(fresh, 0o755); err != nil {
		return nil, errors.Join(err, restore())
	}
	if err := os.Rename(fresh, place); err != nil {
		return nil, errors.Join(err, restore())
	}
	return restore, nil
}
