package spec

import (
	"errors"
	"strings"
)

// errQuote says that a quotation was opened and not closed.
var errQuote = errors.New("a quotation mark is not closed")

// Words splits a line as a shell would: at blanks, with '…', "…" and \ taking
// away their meaning. Nothing is expanded.
func Words(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	begun, quote, escaped := false, byte(0), false
	for i := range len(line) {
		c := line[i]
		switch {
		case escaped:
			if quote == '"' && c != '"' && c != '\\' {
				word.WriteByte('\\')
			}
			word.WriteByte(c)
			escaped = false
		case c == '\\' && quote != '\'':
			begun, escaped = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '\'' || c == '"':
			begun, quote = true, c
		case c == ' ' || c == '\t' || c == '\n':
			if begun {
				words = append(words, word.String())
				word.Reset()
			}
			begun = false
		default:
			begun = true
			word.WriteByte(c)
		}
	}
	if quote != 0 || escaped {
		return nil, errQuote
	}
	if begun {
		words = append(words, word.String())
	}
	return words, nil
}
