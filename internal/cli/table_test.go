package cli

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestWidthIsThatOfTheLibrary(t *testing.T) {
	for r := rune(0); r < 0x30000; r++ {
		if narrow(r) && cellWidths.RuneWidth(r) != 1 {
			t.Fatalf("%U takes %d columns", r, cellWidths.RuneWidth(r))
		}
	}
	for text, want := range map[string]int{"": 0, "web": 3, "münchen": 7, "日本": 4, "a…": 2, "e\u0301": 1, "👩‍💻": 2} {
		if got := width(text); got != want {
			t.Errorf("%q takes %d columns, want %d", text, got, want)
		}
	}
}

// Whatever the cells hold, each line of a table is as wide as the others and,
// from some width on, not wider than the terminal.
func TestTablesFit(t *testing.T) {
	text := rapid.OneOf(rapid.StringMatching(`[a-zäé日本]{0,30}`), rapid.SampledFrom([]string{"", "-", "…"}))
	plain := func(_ style, s string) string { return s }
	rapid.Check(t, func(t *rapid.T) {
		tab := &table{rows: rapid.IntRange(0, 4).Draw(t, "rows")}
		for i := range 5 {
			col := column{title: text.Draw(t, "title"), right: i%2 == 0, drop: i / 2}
			for range tab.rows {
				col.cells = append(col.cells, cell{text: text.Draw(t, "cell")})
			}
			tab.columns = append(tab.columns, col)
		}
		limit := rapid.IntRange(0, 120).Draw(t, "limit")
		lines := strings.Split(strings.TrimSuffix(tab.draw(limit, plain), "\n"), "\n")
		for _, line := range lines {
			if width(line) != width(lines[0]) {
				t.Fatalf("lines of %d and %d columns:\n%s", width(lines[0]), width(line), strings.Join(lines, "\n"))
			}
		}
		if limit >= 90 && width(lines[0]) > limit {
			t.Fatalf("%d columns in a terminal of %d", width(lines[0]), limit)
		}
	})
}
