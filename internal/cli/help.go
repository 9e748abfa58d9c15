package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// help prints the help of a verb, or that of tend.
func (c *command) help(cmd *cobra.Command) {
	for _, v := range c.dialect.all() {
		if v.name() == cmd.Name() {
			c.data("%s", v.help(c.dialect))
			return
		}
	}
	c.data("%s", c.dialect.overview())
}

func (c *command) helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Help about a command", Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				c.help(root)
				return nil
			}
			cmd, _, err := root.Find(args[:1])
			if err != nil || cmd == root {
				return unknownVerb(args[0])
			}
			c.help(cmd)
			return nil
		},
	}
}

func overview() string {
	var b strings.Builder
	b.WriteString(`tend guards processes: it starts them, keeps them running, and shares their
ports among them. The first command starts its daemon.

Usage:
  tend COMMAND [flags] [-- arguments of the app]

Commands:
`)
	for _, v := range verbs() {
		names := strings.Join(append([]string{v.name()}, v.aliases...), ", ")
		if len(names) > 26 {
			names = v.name()
		}
		fmt.Fprintf(&b, "  %-26s %s\n", names, v.short)
	}
	b.WriteString(`  help COMMAND               All about a command

Targets: a name, an id, a namespace, a script's path, /expression/ or all.
`)
	b.WriteString("\nFlags of every command:\n" + flagHelp(flagSpecs, general))
	b.WriteString(`
Begin with:
  tend start app.js -i max    run a Node app as a cluster, a worker for each CPU
  tend ls                     see how it fares
  tend logs                   see what it writes
`)
	return b.String()
}

// help is all about a verb.
func (v *verb) help(d *dialect) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s.\n\nUsage:\n  %s %s\n", v.short, d.name, v.use)
	if len(v.aliases) > 0 {
		fmt.Fprintf(&b, "\nAlso written: %s\n", strings.Join(v.aliases, ", "))
	}
	if v.long != "" {
		b.WriteString("\n" + v.long + "\n")
	}
	if v.example != "" {
		b.WriteString("\nExamples:\n")
		for line := range strings.Lines(v.example + "\n") {
			b.WriteString("  " + line)
		}
	}
	b.WriteString("\nFlags:\n" + flagHelp(d.flags, v.topics...))
	if slices.Contains(v.topics, declare) {
		b.WriteString("\nA TIME is in milliseconds, or has a unit: 500ms, 2s, 1m.\n")
	}
	return b.String()
}

// flagHelp lists the flags of these topics.
func flagHelp(flags []flagSpec, topics ...topic) string {
	var b strings.Builder
	for _, f := range flags {
		if slices.Contains(topics, f.topic) {
			writeFlag(&b, f)
		}
	}
	return b.String()
}

// writeFlag sets the usage in lines beside the flag.
func writeFlag(b *strings.Builder, f flagSpec) {
	const left, right = 32, 78
	name := f.synopsis()
	if f.short == "" {
		name = "    " + name
	}
	line := fmt.Sprintf("  %-*s", left-2, name)
	if !strings.HasSuffix(line, " ") { // no room between the two
		b.WriteString(line + "\n")
		line = strings.Repeat(" ", left)
	}
	used := left
	for i, word := range strings.Fields(f.usage) {
		n := len([]rune(word))
		switch {
		case i > 0 && used+1+n > right:
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line, used = strings.Repeat(" ", left)+word, left+n
		case i > 0:
			line, used = line+" "+word, used+1+n
		default:
			line, used = line+word, used+n
		}
	}
	b.WriteString(line + "\n")
}

func flagNames() []string {
	names := make([]string, 0, len(flagSpecs))
	for _, f := range flagSpecs {
		if f.topic != ignored {
			names = append(names, f.name)
		}
	}
	return names
}

// Markdown is the help of all commands as one page, for docs/cli.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString("<!-- Made by `go run ./internal/tools/clidocs` from the help texts. Do not edit. -->\n\n# Commands\n\n")
	b.WriteString("```text\n" + overview() + "```\n")
	for _, v := range verbs() {
		fmt.Fprintf(&b, "\n## tend %s\n\n```text\n%s```\n", v.name(), v.help(ownDialect()))
	}
	return b.String()
}
