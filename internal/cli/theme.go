package cli

import (
	"strings"
	"unicode/utf8"
)

// style is a colour or weight, as terminals have it.
type style string

const (
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	cyan   style = "36"
	marked style = "100" // found: on a grey ground
)

// palette are the colours that tell apps apart among log lines.
var palette = []style{"36", "35", "34", "32", "33", "96", "95", "94", "92", "93"}

// paint puts text into a style where standard output is a terminal.
func (c *command) paint(s style, text string) string { return paintIf(c.color, s, text) }

// paintErr is paint for standard error.
func (c *command) paintErr(s style, text string) string { return paintIf(c.colorErr, s, text) }

func paintIf(on bool, s style, text string) string {
	if !on || s == "" || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// clean takes from text of foreign origin what would move a terminal's cursor
// or change its state.
func clean(text string) string {
	plain := true
	for i := range len(text) {
		plain = plain && text[i] >= ' ' && text[i] < 0x7f
	}
	if plain {
		return text
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == utf8.RuneError:
			return '?'
		}
		return r
	}, text)
}
