// Package cli is the command line: verbs, flags, tables or JSON, exit codes.
// It speaks only [api.Service]; how a daemon is reached or started it is told
// by its caller.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/pm2"
	"github.com/tendproc/tend/internal/spec"
)

// IO is the world a command runs in.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
	Env      []string // KEY=value, as os.Environ
	Cwd      string   // absolute
	Terminal bool     // Out is a terminal
	Width    int      // columns of the terminal; 0 means unknown
	Version  string   // of this program
	Program  string   // the file it is, absolute
	IsRoot   bool     // it may do everything
	Root     string   // where files of the machine are; "" for /
	// Signals returns a context that Ctrl-C ends, for the commands that have
	// something to say then; it ends the others as it ends any program. nil: none.
	Signals func(context.Context) context.Context

	// Guard makes a guard in this process, and Notify gives the signals it is to heed,
	// until its second result is called. nil: nothing is guarded here.
	Guard  func(ctx context.Context, show Console) (Guard, error)
	Notify func() (signals <-chan os.Signal, stop func())
}

// Daemon reaches the daemon of one home.
type Daemon interface {
	// Connect reaches the daemon that runs; a fault.Unavailable says there is none.
	Connect(ctx context.Context) (api.Service, error)
	// Ensure is Connect, but starts a daemon where none answers.
	Ensure(ctx context.Context) (api.Service, error)
	// Ending is called before a daemon is told to end; what it returns waits until
	// nothing of it is left.
	Ending(info event.Info) func(ctx context.Context)
	// Foreground makes this process the daemon's keeper. It returns only with an error.
	Foreground() error
	// Home is the folder that holds its socket and logs.
	Home() string
}

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitInterrupted = 130 // as a shell has it after Ctrl-C
)

// errTold ends a command with exit 1 that has said itself what is wrong.
var errTold = errors.New("told")

// Run carries out one command line (without the program's name) and returns
// its exit code. It starts nothing that outlives it but the daemon.
func Run(ctx context.Context, args []string, stdio IO, d Daemon) int {
	return run(ctx, args, &command{IO: stdio, daemon: d, dialect: ownDialect()})
}

func run(ctx context.Context, args []string, c *command) int {
	stdio := c.IO
	c.argv = args
	c.lookAtTerminal()
	root := c.root(args)
	c.values = &values{fs: root.PersistentFlags()}
	args = prepare(args, c.values.fs)
	args = c.dialect.prepare(args, c.values.fs)
	c.mute(args)
	root.SetArgs(args)
	root.SetOut(stdio.Out)
	root.SetErr(stdio.Err)
	err := root.ExecuteContext(ctx)
	if code, ok := errors.AsType[exitCode](err); ok {
		return int(code)
	}
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errTold):
		return exitFailed
	case errors.Is(err, context.Canceled):
		c.warn("interrupted; what was asked of the daemon goes on there")
		return exitInterrupted
	default:
		c.report(err)
		return exitFailed
	}
}

// command is one command line at work.
type command struct {
	IO
	dialect  *dialect
	home     *pm2.Home // nil but for PM2
	daemon   Daemon
	argv     []string // as given
	values   *values
	verb     string // what is being done, for the errors: "stop web"
	silent   bool
	own      string // version of this program, where Version is PM2's
	quiet    bool   // what is printed is data: nothing is said of a daemon that is started
	color    bool   // on standard output
	colorErr bool   // on standard error
}

// mute sets what must be known before the flags are parsed, since their errors
// heed it too: silence and colour.
func (c *command) mute(args []string) {
	colors := c.env("NO_COLOR") == "" && c.env("TERM") != "dumb"
	c.color, c.colorErr = colors && c.Terminal, colors && terminalOf(c.Err) != nil
	c.silent = c.env("PM2_SILENT") != "" || c.env("TEND_SILENT") != ""
	for i, arg := range args {
		switch {
		case arg == "--":
			return
		case i > 0 && takesNext(args[i-1], c.values.fs):
		case arg == "-s" || arg == "--silent":
			c.silent = true
		case arg == "--no-color":
			c.color, c.colorErr = false, false
		}
	}
}

func (c *command) env(key string) string {
	for _, kv := range c.Env {
		if k, v, ok := strings.Cut(kv, "="); ok && k == key {
			return v
		}
	}
	return ""
}

// say prints progress and results for people: not when silent, not among JSON.
func (c *command) say(format string, args ...any) {
	if !c.silent && !c.values.on("json") {
		fmt.Fprintf(c.Out, format, args...)
	}
}

// done is a line that says what was done.
func (c *command) done(format string, args ...any) {
	c.say("%s %s\n", c.paint(green, c.dialect.marks.done), fmt.Sprintf(format, args...))
}

func (c *command) warn(format string, args ...any) {
	if !c.silent {
		fmt.Fprintf(c.Err, "%s %s\n", c.paintErr(yellow, c.dialect.marks.warn), fmt.Sprintf(format, args...))
	}
}

// data prints what was asked for; silence does not keep it back.
func (c *command) data(format string, args ...any) { fmt.Fprintf(c.Out, format, args...) }

// json prints v as one line of JSON.
func (c *command) json(v any) error {
	enc := json.NewEncoder(c.Out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// report prints an error: what and why, the last lines of the log, the remedy.
func (c *command) report(err error) {
	if c.silent {
		return
	}
	e := c.dialect.reword(c.asFault(err))
	if c.values.on("json") {
		enc := json.NewEncoder(c.Err)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(map[string]any{"error": e}) // nobody to tell if standard error is gone
		return
	}
	c.complain(red, c.dialect.marks.failed, e)
}

// complain prints something that is wrong, with what is known of it.
func (c *command) complain(how style, sign string, e *fault.Error) {
	fmt.Fprintf(c.Err, "%s %s\n", c.paintErr(how, sign), clean(e.Error()))
	for _, line := range e.Log {
		fmt.Fprintf(c.Err, "    %s\n", c.paintErr(dim, clean(line)))
	}
	if e.Remedy != "" {
		fmt.Fprintf(c.Err, "  %s\n", e.Remedy)
	}
}

// asFault puts the verb before an error that does not say what was being done.
func (c *command) asFault(err error) *fault.Error {
	var e fault.Error
	if f, ok := errors.AsType[*fault.Error](err); ok {
		e = *f
		if e.Err != nil {
			e.Message, e.Err = strings.TrimPrefix(e.Message+": "+e.Err.Error(), ": "), nil
		}
	} else {
		e = fault.Error{Code: fault.Internal, Message: err.Error()}
	}
	if e.Op == "" {
		e.Op = c.verb
	}
	return &e
}

func (c *command) caller() spec.Caller {
	if c.home != nil {
		return c.pm2Caller()
	}
	return spec.Caller{Cwd: c.Cwd, Env: c.values.filtered(c.Env)}
}

// root builds the tree of verbs, no more of it than args can mean: a command
// that only asks is over sooner than all of it is built.
func (c *command) root(args []string) *cobra.Command {
	root := &cobra.Command{
		Use: c.dialect.name, SilenceErrors: true, SilenceUsage: true,
		Args:              cobra.ArbitraryArgs,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.bare(cmd, unmark(args)) },
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetGlobalNormalizationFunc(normal)
	defineFlags(root.PersistentFlags(), c.dialect.flags)
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { c.help(cmd) })
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		verb := "COMMAND"
		if cmd != root {
			verb = cmd.Name()
		}
		return c.dialect.misused(verb, err)
	})
	for _, list := range c.dialect.verbs {
		for i := range list {
			if v := &list[i]; v.in(args) {
				root.AddCommand(c.cobra(v))
			}
		}
	}
	help := c.helpCommand(root)
	root.AddCommand(help) // the library adds it only where there are others
	root.SetHelpCommand(help)
	return root
}

// cobra makes a verb known to the parser.
func (c *command) cobra(v *verb) *cobra.Command {
	return &cobra.Command{
		Use: v.use, Aliases: v.aliases, Short: v.short,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.verb = cmd.Name()
			if c.values.on("version") {
				return c.version()
			}
			args = unmark(args)
			o := operands{args: args}
			if n := cmd.ArgsLenAtDash(); n >= 0 && slices.Contains(v.topics, declare) {
				o = operands{args: args[:n], own: args[n:], dashed: true}
			}
			if err := v.check(o.args); err != nil {
				return err
			}
			c.quiet = v.data
			ctx := cmd.Context()
			if !v.asks && !v.stays && !c.values.on("no-daemon") && c.Signals != nil {
				ctx = c.Signals(ctx)
			}
			return v.run(ctx, c, o)
		},
	}
}

// bare is tend without a verb we know.
func (c *command) bare(cmd *cobra.Command, args []string) error {
	if c.values.on("version") {
		return c.version()
	}
	if len(args) == 0 {
		return c.dialect.bare(c, cmd)
	}
	return c.dialect.unknown(c, args[0])
}

func unknownVerb(word string) error {
	var known []string
	for _, v := range verbs() {
		known = append(append(known, v.name()), v.aliases...)
	}
	e := &fault.Error{Code: fault.Invalid, Message: "command not found: " + clean(word), Remedy: "tend help lists the commands."}
	if strings.ContainsAny(word, "./") {
		e.Remedy = "To start a program: tend start " + clean(word)
	} else if near := spec.Nearest(word, known); near != "" {
		e.Remedy = "Did you mean tend " + near + "? tend help lists the commands."
	}
	for _, v := range laterVerbs {
		if word == v {
			e.Code, e.Message = fault.Unsupported, word+": this command of pm2 is not supported yet"
			e.Remedy = "tend help lists the commands."
			for words, why := range unneeded {
				if slices.Contains(strings.Fields(words), word) {
					e.Message, e.Remedy = word+": tend has no such command of pm2, and needs none", why
				}
			}
			return e
		}
	}
	return e
}

// flagFault puts the parser's errors into our words.
func flagFault(verb string, err error) error {
	e := &fault.Error{Code: fault.Invalid, Message: err.Error(), Remedy: "tend help " + verb + " lists the flags."}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		name := unknown.GetSpecifiedName()
		short := unknown.GetSpecifiedShortnames() != ""
		dashed := "--" + name
		if short {
			dashed = "-" + name
		}
		if short && strings.Contains(lackingShort, name) || !short && contains(lacking, name) {
			e.Code, e.Field, e.Message = fault.Unsupported, dashed, "this flag of pm2 is not supported yet"
			e.Remedy = "Leave it out; nothing was changed."
			return e
		}
		e.Message = "unknown flag " + dashed
		if near := spec.Nearest(name, flagNames()); near != "" && !short {
			e.Remedy = "Did you mean --" + near + "?"
		}
		return e
	}
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		e.Field, e.Message = "--"+missing.GetFlag().Name, "needs a value"
	}
	return e
}
