package cli

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/pm2"
)

// PM2 is what the command line needs to be PM2's.
type PM2 struct {
	Home   pm2.Home
	Daemon Daemon
}

// RunPM2 is [Run] by the name of pm2: its commands, options, streams, exit codes
// and files.
func RunPM2(ctx context.Context, args []string, stdio IO, p PM2) int {
	c := &command{IO: stdio, dialect: pm2Dialect(), home: &p.Home, own: stdio.Version}
	c.Version = pm2.Version // who asks goes by it; report tells tend's own
	c.daemon = &pm2Daemon{Daemon: p.Daemon, c: c}
	return run(ctx, args, c)
}

func pm2Dialect() *dialect {
	return &dialect{
		name: pm2.Name, verbs: [][]verb{pm2ActingVerbs, pm2ReadingVerbs, pm2DaemonVerbs, pm2ModuleVerbs, pm2CodeVerbs, pm2ConfVerbs, pm2StartupVerbs, pm2CompletionVerbs, pm2SmallVerbs, pm2PublishVerbs, pm2CreateVerbs, pm2ProfileVerbs, pm2OtherVerbs}, flags: pm2Flags(),
		marks:   marks{"[PM2]", "[PM2]", "[PM2][WARN]", "[PM2][ERROR]"},
		prepare: preparePM2, reword: rewordPM2, misused: misusedPM2, overview: pm2Overview, list: listPM2,
		bare: func(c *command, _ *cobra.Command) error {
			c.data("%s", pm2Usage)
			return errTold
		},
		unknown: func(c *command, _ string) error {
			c.say("[PM2][ERROR] Command not found\n\n%s", pm2Usage)
			return errTold
		},
	}
}

const pm2Usage = `usage: pm2 [options] <command>

  pm2 -h           all commands and options
  pm2 COMMAND -h   about one command

This is tend, by the name of pm2.
`

// pm2Daemon tells the user when it starts a daemon, unless data is asked for, and
// makes what clients of PM2 expect in a home.
type pm2Daemon struct {
	Daemon
	c *command
}

func (d *pm2Daemon) Ensure(ctx context.Context) (api.Service, error) {
	svc, err := d.Connect(ctx)
	if fault.CodeOf(err) != fault.Unavailable {
		return svc, err
	}
	told := !d.c.quiet && d.c.env("PM2_DISCRETE_MODE") == ""
	if told {
		d.c.done("Spawning PM2 daemon with pm2_home=%s", d.c.home.Dir)
	}
	if svc, err = d.Daemon.Ensure(ctx); err != nil {
		return nil, err
	}
	if told {
		d.c.done("PM2 Successfully daemonized")
	}
	return svc, d.c.home.Prepare()
}

// rewordPM2 gives an error the words that PM2's users look for.
func rewordPM2(e *fault.Error) *fault.Error {
	f := *e
	f.Remedy = regexp.MustCompile(`\btend ([a-z]+)`).ReplaceAllString(e.Remedy, "pm2 $1") // tend's commands are PM2's, too
	if path, ok := strings.CutPrefix(e.Message, "script not found: "); ok {
		f.Op, f.Field, f.Message = "", "", "Script not found: "+path
	}
	switch {
	case e.Code == fault.Conflict && strings.HasPrefix(e.Op, "start ") && e.Field == "script":
		f.Op, f.Field, f.Message, f.Remedy = "", "", "Script already launched, add -f option to force re-execution", ""
	case e.Code == fault.Conflict && strings.HasPrefix(e.Op, "reload "):
		f.Op, f.Message = "", "Reload already in progress: "+e.Message
	}
	return &f
}

// misusedPM2 is what a command line that cannot be parsed gets.
func misusedPM2(verb string, err error) error {
	e := &fault.Error{Code: fault.Invalid, Message: err.Error(), Remedy: "pm2 " + verb + " -h lists the options."}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		name := "--" + unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			name = "-" + unknown.GetSpecifiedName()
		}
		e.Message = "unknown option " + name
	}
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		e.Message = "option --" + missing.GetFlag().Name + " needs a value"
	}
	return e
}

func preparePM2(args []string, fs *pflag.FlagSet) []string { return joinOptional(args, fs, pm2Named) }

// joinOptional joins options to the values they may have and need not.
func joinOptional(args []string, fs *pflag.FlagSet, named func(string) (pm2Flag, bool)) []string {
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		arg := args[i]
		f, ok := named(arg)
		switch {
		case arg == "--":
			return append(out, args[i:]...)
		case ok && f.optional && i+1 < len(args) && args[i+1] != "" && args[i+1][0] != '-':
			i++
			arg = "--" + f.name + "=" + args[i]
		case takesNext(arg, fs) && i+1 < len(args):
			i++
			out = append(out, arg)
			arg = args[i]
		}
		out = append(out, arg)
	}
	return out
}

func pm2Overview() string {
	var b strings.Builder
	b.WriteString(pm2Usage + "\nCommands:\n")
	for _, v := range pm2Dialect().all() {
		names := strings.Join(append([]string{v.name()}, v.aliases...), ", ")
		fmt.Fprintf(&b, "  %-34s %s\n", names, v.short)
	}
	b.WriteString("\nOptions:\n" + flagHelp(pm2Flags(), general, declare, acting, listing, logging, showing, ignored))
	return b.String()
}
