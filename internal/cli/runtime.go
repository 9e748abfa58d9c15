package cli

import (
	"cmp"
	"context"
	_ "embed" // the loader
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/config"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/machine"
)

// A configuration in JavaScript or TypeScript is run by the user's own runtime:
// what it means is what that says.
//
//	tend ──► node -e LOADER, TEND_CONFIG_LOAD={file, argv}    its output goes to our standard error
//	tend ◄── {"value": …} or {"error": …} on descriptor 3     the loader, which then exits

//go:embed loader.js
var loader string

// runtimeVar names the runtime that is to be taken.
const runtimeVar = "TEND_CONFIG_RUNTIME"

// runtimes are looked for in this order; the arguments run the loader.
var runtimes = []struct {
	name string
	args []string
}{
	{"node", []string{"-e"}}, {"bun", []string{"-e"}}, {"deno", []string{"eval"}},
}

// maxResult bounds what a configuration may export.
const maxResult = 8 << 20

// scriptLoad is what the loader is told.
type scriptLoad struct {
	File string   `json:"file"`
	Argv []string `json:"argv"`           // process.argv[1:]
	Text *string  `json:"text,omitempty"` // an expression in place of what the file exports
}

// scriptAnswer is what it answers.
type scriptAnswer struct {
	Value json.RawMessage `json:"value"`
	Error *scriptError    `json:"error"`
}

// scriptError is an error of the user's file.
type scriptError struct {
	Code    string `json:"code"`
	Name    string `json:"name"`
	Message string `json:"message"`
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
}

// errNoRuntime says that there is nothing to run a script with.
var errNoRuntime = errors.New("no runtime")

// evaluate runs the file, or the expression in place of it, and returns the tree
// of what it exports.
func (c *command) evaluate(ctx context.Context, load scriptLoad) (any, error) {
	found, err := c.runtimes()
	if err != nil {
		return nil, err
	}
	load.Argv = append([]string{"tend"}, c.argv...)
	var answer scriptAnswer
	for _, program := range found {
		if answer, err = c.script(ctx, program, load); err != nil {
			return nil, err
		}
		if answer.Error == nil || answer.Error.Code != "ERR_UNKNOWN_FILE_EXTENSION" {
			break
		}
		answer.Error.Message = "this Node does not run TypeScript; Node from 22.18 on, bun and deno do"
		answer.Error.Name, answer.Error.Line = "", 0
	}
	switch e := answer.Error; {
	case e != nil:
		return nil, e.fault(load.File)
	case len(answer.Value) == 0:
		return nil, &fault.Error{Code: fault.Invalid, Message: "exports nothing", Remedy: "Write module.exports = { apps: [ … ] }, or export default."}
	}
	return config.DecodeResult(answer.Value)
}

// runtimes are the programs that can run a configuration.
func (c *command) runtimes() (found []string, err error) {
	var m machine.OS
	path := c.env("PATH")
	if word := c.env(runtimeVar); word != "" {
		program := word
		if strings.Contains(word, "/") {
			program = c.path(word)
			if info, statErr := m.Stat(program); statErr != nil || !info.Executable {
				err = errNoRuntime
			}
		} else {
			program, err = m.LookPath(word, path)
		}
		if err != nil {
			return nil, &fault.Error{Code: fault.NotFound, Field: runtimeVar, Message: "not found: " + clean(word), Remedy: "Name node, bun or deno, or the path of one."}
		}
		return []string{program}, nil
	}
	for _, r := range runtimes {
		if program, err := m.LookPath(r.name, path); err == nil {
			found = append(found, program)
		}
	}
	if len(found) == 0 {
		return nil, &fault.Error{
			Code: fault.NotFound, Message: "no runtime to run it with: looked for node, bun and deno in $PATH", Err: errNoRuntime,
			Remedy: "Install one, name it in " + runtimeVar + ", or write the configuration as YAML, TOML or JSON.",
		}
	}
	return found, nil
}

// runtimeArgs are those by which the program runs a script given as an argument.
func runtimeArgs(program string) []string {
	base := filepath.Base(program)
	for _, r := range runtimes {
		if strings.HasPrefix(base, r.name) {
			return r.args
		}
	}
	return runtimes[0].args
}

// script runs the loader and returns its answer.
func (c *command) script(ctx context.Context, program string, load scriptLoad) (answer scriptAnswer, err error) {
	told, err := json.Marshal(load)
	if err != nil {
		return answer, err
	}
	result, resultEnd, err := os.Pipe()
	if err != nil {
		return answer, err
	}
	defer result.Close()
	output, outputEnd, err := os.Pipe()
	if err != nil {
		resultEnd.Close()
		return answer, err
	}
	defer output.Close()
	p, err := child.Start(child.Command{
		Path: program, Args: append(slices.Clone(runtimeArgs(program)), loader), Dir: c.Cwd,
		Env:   append(slices.Clone(c.Env), "TEND_CONFIG_LOAD="+string(told)),
		Stdio: []child.Stdio{child.Ignore(), child.File(outputEnd), child.File(outputEnd), child.File(resultEnd)},
	})
	err = errors.Join(err, resultEnd.Close(), outputEnd.Close())
	if err != nil {
		return answer, err
	}
	defer p.Close()
	unhook := context.AfterFunc(ctx, func() { _, _ = p.Stop(context.WithoutCancel(ctx), child.StopOptions{}) })
	defer unhook()
	printed := make(chan struct{})
	go func() { // ends with the last process that has the pipe
		defer close(printed)
		_, _ = io.Copy(c.Err, output)
	}()
	text, err := io.ReadAll(io.LimitReader(result, maxResult+1))
	<-p.Exited()
	// What the file left running has no business here.
	_, sweepErr := p.Stop(ctx, child.StopOptions{})
	<-printed
	switch err = errors.Join(err, sweepErr, ctx.Err()); {
	case err != nil:
		return answer, err
	case len(text) > maxResult:
		return answer, &fault.Error{Code: fault.TooLarge, Message: fmt.Sprintf("exports more than %d MiB", maxResult>>20)}
	case len(text) == 0:
		return answer, &fault.Error{
			Code: fault.Invalid, Message: fmt.Sprintf("%s ended (%v) before it had exported anything", filepath.Base(program), p.Exit()),
			Remedy: "See what it printed; a configuration must not call process.exit, nor wait for what never comes.",
		}
	}
	return answer, json.Unmarshal(text, &answer)
}

// fault tells the error as one of the user's file.
func (e *scriptError) fault(file string) error {
	f := &fault.Error{Code: fault.Invalid, Message: e.Message, Remedy: "The error is the file's own; correct it there."}
	if e.Name != "" && e.Name != "Error" {
		f.Message = e.Name + ": " + f.Message
	}
	first, rest, _ := strings.Cut(f.Message, "\n")
	f.Message = first
	for line := range strings.Lines(rest) {
		f.Log = append(f.Log, strings.TrimRight(line, "\n"))
	}
	if e.Line > 0 {
		where := fmt.Sprintf("line %d", e.Line)
		if e.Column > 0 {
			where += fmt.Sprintf(", column %d", e.Column)
		}
		if other := cmp.Or(e.File, file); other != file {
			where = other + ", " + where
		}
		f.Message = where + ": " + f.Message
	}
	return f
}
