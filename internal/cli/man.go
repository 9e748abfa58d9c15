package cli

import (
	"fmt"
	"slices"
	"strings"
)

// ManPages are the pages of the manual, by the names of their files: the overview
// and one for each command.
func ManPages() map[string]string {
	d := ownDialect()
	var see []string
	var b strings.Builder
	manHead(&b, "tend", "guard processes, and share their ports among them")
	b.WriteString(".SH SYNOPSIS\n.B tend\n.I COMMAND\n[\\fIflags\\fR] [\\fB\\-\\-\\fR \\fIarguments of the app\\fR]\n.SH DESCRIPTION\n" +
		"tend starts programs, keeps them running, and shares their ports among them.\nThe first command starts its daemon.\n" +
		"Targets are a name, an id, a namespace, a script's path, /expression/ or all.\n.SH COMMANDS\n")
	pages := map[string]string{}
	for _, v := range d.all() {
		pages["tend-"+v.name()+".1"] = v.man(d)
		fmt.Fprintf(&b, ".TP\n.BR %s (1)\n%s\n", roff("tend-"+v.name()), roff(v.short))
		see = append(see, ".BR "+roff("tend-"+v.name())+" (1)")
	}
	b.WriteString(".SH OPTIONS\nOf every command:\n")
	manFlags(&b, d.flags, general)
	b.WriteString(".SH FILES\n.TP\n.I $TEND_HOME\n(else $XDG_STATE_HOME/tend, else ~/.local/state/tend) the daemon's socket, log and state, and the logs of the apps\n")
	b.WriteString(".SH EXIT STATUS\n0 when done, 1 when not, 130 when interrupted.\n.SH SEE ALSO\n" + strings.Join(see, ",\n") + "\n")
	pages["tend.1"] = b.String()
	return pages
}

func (v *verb) man(d *dialect) string {
	var b strings.Builder
	manHead(&b, "tend-"+v.name(), v.short)
	name, rest, _ := strings.Cut(v.use, " ")
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B tend %s\n%s\n", roff(name), roff(rest))
	if len(v.aliases) > 0 {
		fmt.Fprintf(&b, ".PP\nAlso written: %s\n", roff(strings.Join(v.aliases, ", ")))
	}
	if v.long != "" {
		b.WriteString(".SH DESCRIPTION\n")
		for i, paragraph := range strings.Split(v.long, "\n\n") {
			if i > 0 {
				b.WriteString(".PP\n")
			}
			b.WriteString(roff(paragraph) + "\n")
		}
	}
	b.WriteString(".SH OPTIONS\n")
	manFlags(&b, d.flags, v.topics...)
	if slices.Contains(v.topics, declare) {
		b.WriteString(".PP\nA TIME is in milliseconds, or has a unit: 500ms, 2s, 1m.\n")
	}
	if v.example != "" {
		b.WriteString(".SH EXAMPLES\n.nf\n" + roff(v.example) + "\n.fi\n")
	}
	b.WriteString(".SH SEE ALSO\n.BR tend (1)\n")
	return b.String()
}

func manHead(b *strings.Builder, name, short string) {
	fmt.Fprintf(b, ".\\\" Made by internal/tools/clidocs from the help texts. Do not edit.\n.TH %s 1\n.SH NAME\n%s \\- %s\n",
		strings.ToUpper(roff(name)), roff(name), roff(strings.ToLower(short[:1])+short[1:]))
}

func manFlags(b *strings.Builder, flags []flagSpec, topics ...topic) {
	for _, f := range flags {
		if slices.Contains(topics, f.topic) {
			fmt.Fprintf(b, ".TP\n\\fB%s\\fR\n%s\n", roff(f.synopsis()), roff(f.usage))
		}
	}
}

// roff makes text what roff shows as it is.
func roff(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\\':
			b.WriteString(`\e`)
		case r == '-':
			b.WriteString(`\-`)
		case r > 127:
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	lines := strings.Split(b.String(), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
