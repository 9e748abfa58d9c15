package cli

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
)

// cell is one field of a table.
type cell struct {
	text  string
	style style
}

// column is a column of a table and its cells from top to bottom.
type column struct {
	title string
	right bool // numbers
	drop  int  // the higher, the sooner it goes when there is no room; 0 never
	cells []cell
}

// table is drawn within a number of terminal columns: what does not fit is
// left out, column by column, and at last the widest column is cut.
type table struct {
	columns []column
	rows    int
	corners string // of the frame: upper left and right, lower left and right; "" for round ones
}

// cellWidths measures without regard to the locale: box-drawing and ↺ are
// narrow everywhere but in old East Asian terminals.
var cellWidths = &runewidth.Condition{EastAsianWidth: false, StrictEmojiNeutral: true}

// width is how many columns text takes. The library builds a table of 2 MB for
// the first letter beyond Latin, 5 to 10 ms; what we print ourselves, and most
// names, must not pay that.
func width(text string) int {
	n := 0
	for _, r := range text {
		if !narrow(r) {
			return cellWidths.StringWidth(text)
		}
		n++
	}
	return n
}

// narrow knows some letters that take one column: Latin, and our own signs.
func narrow(r rune) bool {
	return r >= ' ' && r < 0x7f || r > 0xad && r < 0x300 || r == '↺' || r == '…' || r == '–'
}

// shorten cuts text to w columns.
func shorten(text string, w int) string {
	n := 0
	for i, r := range text {
		if !narrow(r) {
			return cellWidths.Truncate(text, w, "…")
		}
		if n++; n == w {
			return text[:i] + "…"
		}
	}
	return text
}

// A column that is important, by its drop, goes only where to cut the widest would leave
// less than enough of that.
const important, enough = 3, 16

// fit drops and cuts columns until the table is at most limit wide, 0 for no
// limit, and returns the widths of those that are left.
func (t *table) fit(limit int) []int {
	widths := make([]int, len(t.columns))
	for i, col := range t.columns {
		widths[i] = width(col.title)
		for _, cell := range col.cells {
			widths[i] = max(widths[i], width(cell.text))
		}
	}
	for limit > 0 && total(widths) > limit {
		last := -1
		for i, col := range t.columns {
			if col.drop > 0 && (last < 0 || col.drop > t.columns[last].drop) {
				last = i
			}
		}
		if last < 0 || t.columns[last].drop <= important && slices.Max(widths)-(total(widths)-limit) >= enough {
			cut(widths, limit)
			break
		}
		t.columns = append(t.columns[:last:last], t.columns[last+1:]...)
		widths = append(widths[:last], widths[last+1:]...)
	}
	return widths
}

// total is the width of the table drawn: each column has a blank on either
// side, and a line before it; one line ends them.
func total(widths []int) int {
	sum := 1
	for _, w := range widths {
		sum += w + 3
	}
	return sum
}

// cut takes from the widest column what is too much, but leaves something of it.
func cut(widths []int, limit int) {
	widest := 0
	for i, w := range widths {
		if w > widths[widest] {
			widest = i
		}
	}
	widths[widest] = max(4, widths[widest]-(total(widths)-limit))
}

// draw gives the lines of the table; paint puts text into a style.
func (t *table) draw(limit int, paint func(style, string) string) string {
	widths := t.fit(limit)
	var b strings.Builder
	b.Grow((t.rows + 4) * (total(widths) + 3*len(widths))) // each bar has three bytes
	rule := func(left, middle, right string) {
		parts := make([]string, len(widths))
		for i, w := range widths {
			parts[i] = strings.Repeat("─", w+2)
		}
		b.WriteString(paint(dim, left+strings.Join(parts, middle)+right) + "\n")
	}
	bar := paint(dim, "│")
	line := func(cellOf func(int) cell) {
		for i, w := range widths {
			b.WriteString(bar)
			b.WriteByte(' ')
			cellOf(i).writeTo(&b, w, t.columns[i].right, paint)
			b.WriteByte(' ')
		}
		b.WriteString(bar + "\n")
	}
	corners := []rune(cmp.Or(t.corners, "╭╮╰╯"))
	rule(string(corners[0]), "┬", string(corners[1]))
	line(func(i int) cell { return cell{t.columns[i].title, bold} })
	if t.rows > 0 {
		rule("├", "┼", "┤")
	}
	for row := range t.rows {
		line(func(i int) cell { return t.columns[i].cells[row] })
	}
	rule(string(corners[2]), "┴", string(corners[3]))
	return b.String()
}

func pad(c cell, w int, right bool, paint func(style, string) string) string {
	var b strings.Builder
	c.writeTo(&b, w, right, paint)
	return b.String()
}

// writeTo writes it in w columns.
func (c cell) writeTo(b *strings.Builder, w int, right bool, paint func(style, string) string) {
	text, takes := c.text, width(c.text)
	if takes > w {
		text = shorten(text, w)
		takes = width(text)
	}
	if !right {
		b.WriteString(paint(c.style, text))
	}
	for ; takes < w; takes++ {
		b.WriteByte(' ')
	}
	if right {
		b.WriteString(paint(c.style, text))
	}
}
