package cli

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tendproc/tend/internal/config"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/machine"
	"github.com/tendproc/tend/internal/spec"
	"github.com/tendproc/tend/internal/static"
)

// path is a path as the caller means it.
func (c *command) path(word string) string {
	if rest, ok := strings.CutPrefix(word, "~/"); ok && c.env("HOME") != "" {
		return filepath.Join(c.env("HOME"), rest)
	}
	if !filepath.IsAbs(word) {
		return filepath.Join(c.Cwd, word)
	}
	return filepath.Clean(word)
}

// theFile is the one operand, or the file of this folder.
func (c *command) theFile(o operands) (string, error) {
	if len(o.args) > 0 {
		return o.args[0], nil
	}
	for _, name := range spec.ConfigNames {
		if info, err := (machine.OS{}).Stat(filepath.Join(c.Cwd, name)); err == nil && !info.Dir {
			return name, nil
		}
	}
	return "", &fault.Error{
		Code: fault.NotFound, Message: "name a script, a program, an app or a file: there is no ecosystem.config.js here, nor another such file",
		Remedy: "To start an app: tend start app.js",
	}
}

// configFile is a configuration that was read.
type configFile struct {
	config.File
	word   string // as it was named
	origin string // absolute; "" for standard input
}

// read reads a configuration file. Its problems are told, and the fatal ones are
// the error.
func (c *command) read(ctx context.Context, word string) (configFile, error) {
	f, err := c.readAll(ctx, word)
	if err != nil {
		return f, c.about(word, err)
	}
	for _, p := range f.Problems {
		if !p.Fatal && !c.values.on("strict") {
			c.warn("%s: %s", clean(word), clean(strings.TrimSuffix(p.String()+". "+p.Remedy, ". ")))
		}
	}
	return f, c.about(word, f.Err(c.values.on("strict")))
}

// belowEnv lays what --env-file names below env.
func (c *command) belowEnv(env map[string]string) (map[string]string, error) {
	for _, file := range slices.Backward(c.values.list("env-file")) {
		text, err := machine.OS{}.ReadFile(c.path(file))
		var vars map[string]string
		if err == nil {
			vars, err = config.ParseEnv(text)
		}
		if err != nil {
			reason := cmp.Or(errors.Unwrap(err), err)
			return nil, &fault.Error{
				Code: fault.Invalid, Field: "--env-file", Message: c.path(file) + ": " + reason.Error(),
				Remedy: "Name a file of KEY=value lines.",
			}
		}
		maps.Copy(vars, env)
		env = vars
	}
	return env, nil
}

// about puts the file before an error.
func (c *command) about(word string, err error) error {
	if err == nil {
		return nil
	}
	e := c.asFault(err)
	if op := strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(e.Op, c.verb), "apply")); op != "" && op != word {
		e.Op = clean(word) + ": " + op
	} else {
		e.Op = clean(word)
	}
	return e
}

// readAll is read with the problems in the result.
func (c *command) readAll(ctx context.Context, word string) (configFile, error) {
	f := configFile{word: word}
	format := config.FormatOf(word)
	q := config.Query{
		Section: c.values.section(), Only: c.values.only(), Env: c.values.variables(), Cwd: c.Cwd,
		ReadFile: machine.OS{}.ReadFile, Server: []string{c.Program, static.Program}, Lenient: c.home != nil,
	}
	if c.values.err != nil {
		return f, c.values.err
	}
	for _, file := range c.values.list("env-file") {
		q.EnvFiles = append(q.EnvFiles, c.path(file))
	}
	if word != "-" {
		f.origin = c.path(word)
		q.Origin = f.origin
		beside := filepath.Join(filepath.Dir(f.origin), ".env")
		if _, err := os.Stat(beside); err == nil && format == config.Procfile {
			q.EnvFiles = append([]string{beside}, q.EnvFiles...) // as all that read Procfiles do
		}
	}
	tree, err := c.tree(ctx, word, format)
	if err != nil {
		return f, err
	}
	f.File = config.Read(tree, q)
	c.overrule(&f)
	return f, nil
}

// tree is what the file says.
func (c *command) tree(ctx context.Context, word string, format config.Format) (any, error) {
	text, err := c.text(word)
	if err != nil {
		return nil, err
	}
	file := "standard input"
	if word != "-" {
		file = c.path(word)
	}
	if format == config.Script {
		return c.evaluate(ctx, scriptLoad{File: file})
	}
	tree, err := config.Decode(format, text)
	if err == nil || format != config.JSON {
		return tree, err
	}
	// PM2 takes a .json for an expression, and some are: process.env.X || 'd'.
	expression := string(text)
	tree, failed := c.evaluate(ctx, scriptLoad{File: file, Text: &expression})
	switch {
	case failed == nil:
		return tree, nil
	case errors.Is(failed, errNoRuntime) || strings.Contains(failed.Error(), "SyntaxError"):
		return nil, err // as JSON it is no better, but that is what it claims to be
	}
	return nil, failed
}

// text is what the file holds.
func (c *command) text(word string) ([]byte, error) {
	if word == "-" {
		if c.In == nil {
			return nil, nil
		}
		return io.ReadAll(io.LimitReader(c.In, config.MaxSize+1))
	}
	path := c.path(word)
	f, err := os.Open(path)
	if err != nil {
		e := &fault.Error{Code: fault.NotFound, Message: "no such file: " + path, Remedy: "Check the path; it is taken from the folder " + c.Cwd + "."}
		if !errors.Is(err, fs.ErrNotExist) {
			e.Code, e.Message, e.Err = fault.Denied, "cannot be read", err
		}
		return nil, e
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, config.MaxSize+1))
}

// overrule lays the flags that mean every app of a file over what it says, and
// tells of those that mean nothing there.
func (c *command) overrule(f *configFile) {
	v := c.values
	for i := range f.Apps {
		o := &f.Apps[i].Options
		for _, flag := range []struct {
			name  string
			to    **string
			below bool // only where the file says nothing
		}{{"namespace", &o.Namespace, true}, {"cwd", &o.Cwd, false}, {"uid", &o.UID, false}, {"gid", &o.GID, false}} {
			if given := v.text(flag.name); given != nil && (!flag.below || *flag.to == nil) {
				*flag.to = given
			}
		}
	}
	for _, flag := range flagSpecs {
		if flag.topic == declare && v.given(flag.name) && !contains(inFiles, flag.name) {
			f.Problems = append(f.Problems, config.Problem{Key: "--" + flag.name, Message: "means nothing with a configuration file", Remedy: "Write it into the file."})
		}
	}
}

// inFiles are the flags of an app that mean something with a file.
var inFiles = []string{"namespace", "cwd", "uid", "gid", "env", "filter-env", "update-env"}
