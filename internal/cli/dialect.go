package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/fault"
)

// dialect is what of the command line depends on the name tend is called by.
type dialect struct {
	name     string
	verbs    [][]verb
	flags    []flagSpec
	marks    marks
	prepare  func(args []string, fs *pflag.FlagSet) []string // before the flags are parsed
	reword   func(e *fault.Error) *fault.Error               // an error that is about to be printed
	misused  func(verb string, err error) error              // what the flag parser says of a verb's flags, in our words
	bare     func(c *command, cmd *cobra.Command) error      // no verb
	unknown  func(c *command, word string) error             // a verb there is not
	overview func() string
	list     func(ctx context.Context, c *command, svc api.Service) error // the table of everything
}

// marks begin the lines that say something.
type marks struct{ doing, done, warn, failed string }

// all are the verbs, in the order of the help.
func (d *dialect) all() []verb { return slices.Concat(d.verbs...) }

func ownDialect() *dialect {
	return &dialect{
		name: "tend", verbs: [][]verb{actingVerbs, readingVerbs, daemonVerbs, bootVerbs, importVerbs, completionVerbs, moduleVerbs, codeVerbs, otherVerbs, profileVerbs}, flags: flagSpecs, marks: marks{"$", "✓", "!", "✗"},
		prepare: func(args []string, _ *pflag.FlagSet) []string { return args },
		reword:  func(e *fault.Error) *fault.Error { return e },
		misused: flagFault, overview: overview, list: listOwn,
		bare: func(c *command, cmd *cobra.Command) error {
			c.help(cmd)
			return errTold
		},
		unknown: func(_ *command, word string) error { return unknownVerb(word) },
	}
}
