package pm2

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf16"
)

// Inspect prints a value as Node's util.inspect(v, {depth: null, colors: false})
// does: PM2's users grep it line by line. It knows what JSON knows: nil, bool,
// numbers, string, []any or []string, and *Object.
func Inspect(v any) string {
	p := printer{}
	return p.value(v, 0)
}

// What util.inspect goes by when nothing else is said.
const (
	lineWidth   = 80
	compactness = 3 // levels that may share a line
	mostItems   = 100
	mostText    = 10_000
)

type printer struct {
	indent int
	depth  int // of what was last begun
}

func (p *printer) value(v any, depth int) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return p.text(v)
	case []string:
		list := make([]any, len(v))
		for i, s := range v {
			list[i] = s
		}
		return p.list(list, depth)
	case []int:
		list := make([]any, len(v))
		for i, n := range v {
			list[i] = n
		}
		return p.list(list, depth)
	case []any:
		return p.list(v, depth)
	case *Object:
		return p.object(v, depth)
	case json.Number:
		return v.String()
	}
	return fmt.Sprint(v)
}

func (p *printer) object(o *Object, depth int) string {
	if len(o.fields) == 0 {
		return "{}"
	}
	p.depth = depth
	parts := make([]string, len(o.fields))
	p.indent += 2
	for i, f := range o.fields {
		name := f.key
		if !identifier(f.key) {
			name = quote(f.key)
		}
		parts[i] = name + ": " + p.value(f.value, depth+1)
	}
	p.indent -= 2
	return p.join(parts, len(parts), depth, "{}")
}

func (p *printer) list(list []any, depth int) string {
	if len(list) == 0 {
		return "[]"
	}
	p.depth = depth
	shown := list[:min(len(list), mostItems)]
	parts := make([]string, len(shown), len(shown)+1)
	p.indent += 2
	for i, v := range shown {
		parts[i] = p.value(v, depth+1)
	}
	p.indent -= 2
	if more := len(list) - len(shown); more > 0 {
		parts = append(parts, fmt.Sprintf("... %d more item%s", more, plural(more)))
	}
	n := len(parts)
	if n > 6 {
		parts = p.columns(parts, shown)
	}
	return p.join(parts, n, depth, "[]")
}

// join puts parts on one line, if they fit there, or one on each. n is how many
// they were before they were put into columns.
func (p *printer) join(parts []string, n, depth int, braces string) string {
	open, shut := braces[:1], braces[1:]
	if p.depth-depth < compactness && n == len(parts) {
		length := 2*len(parts) + p.indent + len(open) + 10
		for _, part := range parts {
			length += units(part)
		}
		if line := strings.Join(parts, ", "); length <= lineWidth && !strings.Contains(line, "\n") {
			return open + " " + line + " " + shut
		}
	}
	indent := "\n" + strings.Repeat(" ", p.indent)
	return open + indent + "  " + strings.Join(parts, ","+indent+"  ") + indent + shut
}

// columns arranges the parts of a long list, as near to a square as they fit.
func (p *printer) columns(parts []string, values []any) []string {
	const between = 2
	cells := parts[:len(values)]
	total, widest := 0, 0
	for _, part := range cells {
		total += units(part) + between
		widest = max(widest, units(part))
	}
	column := widest + between
	if column*3+p.indent >= lineWidth || float64(total)/float64(column) <= 5 && widest > 6 {
		return parts
	}
	bias := math.Sqrt(float64(column) - float64(total)/float64(len(parts)))
	biased := math.Max(float64(column)-3-bias, 1)
	n := min(int(math.Floor(math.Sqrt(2.5*biased*float64(len(cells)))/biased+0.5)), (lineWidth-p.indent)/column, compactness*4, 15)
	if n <= 1 {
		return parts
	}
	widths := make([]int, n)
	for i, part := range cells {
		widths[i%n] = max(widths[i%n], units(part)+between)
	}
	numbers := !slices.ContainsFunc(values, func(v any) bool { return !isNumber(v) })
	var lines []string
	for row := range slices.Chunk(cells, n) {
		var b strings.Builder
		for i, part := range row {
			last := i == len(row)-1
			space := strings.Repeat(" ", widths[i]-between-units(part))
			switch {
			case numbers:
				b.WriteString(space + part)
			case last:
				b.WriteString(part)
			default:
				part += ", " + space
				b.WriteString(part)
			}
			if numbers && !last {
				b.WriteString(", ")
			}
		}
		lines = append(lines, b.String())
	}
	return append(lines, parts[len(cells):]...)
}

func isNumber(v any) bool {
	switch v.(type) {
	case int, int64, uint64, float64, json.Number:
		return true
	}
	return false
}

// text prints a string; a long one of several lines is parted after each.
func (p *printer) text(s string) string {
	trailer := ""
	if n := units(s); n > mostText {
		more := n - mostText
		s = string(utf16.Decode(utf16.Encode([]rune(s))[:mostText]))
		trailer = fmt.Sprintf("... %d more character%s", more, plural(more))
	}
	if n := units(s); n <= 16 || n <= lineWidth-p.indent-4 {
		return quote(s) + trailer
	}
	var lines []string
	for line := range strings.Lines(s) {
		lines = append(lines, quote(line))
	}
	return strings.Join(lines, " +\n"+strings.Repeat(" ", p.indent+2)) + trailer
}

// quote puts s between the quotation marks that need the fewest escapes.
func quote(s string) string {
	mark := '\''
	if strings.Contains(s, "'") {
		switch {
		case !strings.Contains(s, `"`):
			mark = '"'
		case !strings.Contains(s, "`") && !strings.Contains(s, "${"):
			mark = '`'
		}
	}
	var b strings.Builder
	b.WriteRune(mark)
	for _, r := range s {
		switch short := strings.IndexRune("\b\t\n\f\r\\", r); {
		case short >= 0:
			b.WriteString(`\` + `btnfr\`[short:short+1])
		case r == mark && mark == '\'':
			b.WriteString(`\'`)
		case r < ' ' || r >= 0x7f && r <= 0x9f:
			fmt.Fprintf(&b, `\x%02X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteRune(mark)
	return b.String()
}

func identifier(key string) bool {
	for i, r := range key {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return key != ""
}

// units is the length of s as JavaScript counts it.
func units(s string) int {
	n := 0
	for _, r := range s {
		if n++; r > 0xffff {
			n++
		}
	}
	return n
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}
