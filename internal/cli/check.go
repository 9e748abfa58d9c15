package cli

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tendproc/tend/internal/config"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/machine"
	"github.com/tendproc/tend/internal/spec"
)

// checked is what check found.
type checked struct {
	File     string           `json:"file"`
	Apps     []spec.App       `json:"apps"` // their own variables only
	Problems []config.Problem `json:"problems"`
}

// runCheck reads a file, resolves its apps as a start would, and says what it
// found. It asks no daemon.
func runCheck(ctx context.Context, c *command, o operands) error {
	if c.values.on("schema") {
		c.data("%s", config.Schema())
		return nil
	}
	word, err := c.theFile(o)
	if err != nil {
		return err
	}
	f, err := c.readAll(ctx, word)
	if err != nil {
		return c.about(word, err)
	}
	found := c.resolveAll(&f)
	if c.values.on("json") {
		err = c.json(found)
	} else {
		c.showChecked(found)
	}
	if err == nil && f.Err(c.values.on("strict")) != nil {
		return errTold
	}
	return err
}

// resolveAll resolves the apps; what cannot be is a problem of the file.
func (c *command) resolveAll(f *configFile) checked {
	found := checked{File: f.word, Apps: []spec.App{}, Problems: []config.Problem{}}
	for _, d := range f.Apps {
		a, err := spec.ResolveDeclared(machine.OS{}, filepath.Join(c.daemon.Home(), "logs"), d, c.caller())
		if err != nil {
			e := c.asFault(err)
			f.Problems = append(f.Problems, config.Problem{App: e.Op, Key: e.Field, Message: e.Message, Remedy: e.Remedy, Fatal: true})
			continue
		}
		a.Env = maps.Clone(a.Env)
		maps.DeleteFunc(a.Env, func(name, _ string) bool { return !slices.Contains(a.Own, name) })
		found.Apps = append(found.Apps, a)
	}
	found.Problems = append(found.Problems, f.Problems...)
	return found
}

func (c *command) showChecked(found checked) {
	t := table{columns: []column{
		{title: "name"}, {title: "runs"}, {title: "mode", drop: 2}, {title: "instances", right: true, drop: 1}, {title: "folder", drop: 4}, {title: "variables", drop: 3},
	}, rows: len(found.Apps)}
	for _, a := range found.Apps {
		runs := a.Script
		if a.Interpreter != "" && !a.Shell {
			runs = filepath.Base(a.Interpreter) + " " + a.Script
		}
		for i, text := range []string{
			a.Name, strings.Join(append([]string{runs}, a.Args...), " "), string(a.Mode), strconv.Itoa(a.Instances), a.Cwd, strings.Join(a.Own, " "),
		} {
			t.columns[i].cells = append(t.columns[i].cells, cell{text: clean(text)})
		}
	}
	if t.rows > 0 {
		c.say("%s", t.draw(c.Width, c.paint))
	}
	fatal := 0
	for _, p := range found.Problems {
		if p.Fatal || c.values.on("strict") {
			fatal++
			c.problem(red, "✗", p)
		} else {
			c.problem(yellow, "!", p)
		}
	}
	if fatal == 0 {
		c.done("%s: %s", clean(found.File), count(len(found.Apps), "app"))
	}
}

// problem prints one of a file's, and its remedy.
func (c *command) problem(how style, sign string, p config.Problem) {
	if !c.silent {
		c.complain(how, sign, &fault.Error{Message: p.String(), Remedy: p.Remedy})
	}
}
