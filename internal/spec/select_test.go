package spec

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tendproc/tend/internal/fault"
)

var entries = []Entry{
	{0, "web", "default", "/srv/web/app.js", false},
	{1, "web", "default", "/srv/web/app.js", false},
	{2, "455", "jobs", "/srv/mail.js", false},
	{3, "cron", "jobs", "/srv/cron.js", false},
	{4, "echo-1", "2", "/srv/echo.js", false},
	{5, "logrotate", "default", "/home/modules/logrotate.js", true},
}

func TestSelect(t *testing.T) {
	for _, tc := range []struct {
		target string
		want   []int
	}{
		{"all", []int{0, 1, 2, 3, 4}},
		{"web", []int{0, 1}},
		{"app.js", []int{0, 1}},
		{"/srv/mail.js", []int{2}},
		{"jobs", []int{2, 3}},
		{"455", []int{2}},
		{"2", []int{4}}, // a namespace before an id
		{"3", []int{3}},
		{"id:2", []int{2}}, // and nothing else
		{"id:0", []int{0}},
		{"/o-[1,2]/", []int{4}},
		{"/^we/", []int{0, 1}},
	} {
		if got, err := Select(entries, tc.target, "/srv/web"); err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, %v; want %v", tc.target, got, err, tc.want)
		}
	}
	for _, tc := range []struct {
		target string
		code   fault.Code
	}{
		{"wbe", fault.NotFound},
		{"9", fault.NotFound},
		{"-1", fault.NotFound},
		{"id:9", fault.NotFound},
		{"id:", fault.NotFound},
		{"id:-1", fault.NotFound},
		{"/zzz/", fault.NotFound},
		{"/(/", fault.Invalid},
		{"app.json", fault.Unsupported},
		{"", fault.NotFound},
	} {
		if got, err := Select(entries, tc.target, "/srv/web"); fault.CodeOf(err) != tc.code {
			t.Errorf("%s: %v, %v; want %s", tc.target, got, err, tc.code)
		}
	}
	for _, none := range [][]Entry{nil, entries[5:]} { // a module is not meant
		if _, err := Select(none, "all", "/"); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("all of nothing: %v", err)
		}
	}
}

func TestKnown(t *testing.T) {
	for word, want := range map[string][]int{
		"web": {0, 1}, "jobs": {2, 3}, "3": {3}, "455": {2}, "app.js": nil, "./web": nil, "ls": nil, "7": nil, "id:2": {2}, "id:9": nil,
		"all": {0, 1, 2, 3, 4},
	} {
		if got := Known(entries, word); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", word, got, want)
		}
	}
}

func TestInstances(t *testing.T) {
	for text, want := range map[string]int{"4": 4, "0": 8, "max": 8, "-1": 7, "-100": 1, "1": 1} {
		if got, err := Instances(text, 8); err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestScaleTo(t *testing.T) {
	for _, tc := range []struct {
		text string
		want string
	}{
		{"4", "4 <nil>"},
		{"+2", "4 <nil>"},
		{"-1", "1 <nil>"},
		{"2", "0 nothing to do: it has 2 already"},
		{"+0", "0 nothing to do: it has 2 already"},
		{"0", "0 number: 0 would leave no instance of 2"},
		{"-2", "0 number: -2 would leave no instance of 2"},
		{"x", `0 number: "x" is not a number of instances`},
		{"10001", `0 number: "10001" is not a number of instances`},
		{"+9999", "0 number: 10001 instances are more than 10000"},
	} {
		n, err := ScaleTo(tc.text, 2)
		if got := fmt.Sprint(n, " ", err); got != tc.want {
			t.Errorf("%s: %s; want %s", tc.text, got, tc.want)
		}
	}
}

func TestWords(t *testing.T) {
	for line, want := range map[string][]string{
		"":                     nil,
		"--a  --b=c":           {"--a", "--b=c"},
		`--x "a b" 'c "d"' ""`: {"--x", "a b", `c "d"`, ""},
		`a\ b "c\"d" 'e\f'`:    {"a b", `c"d`, `e\f`},
	} {
		if got, err := Words(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", line, got, err, want)
		}
	}
	for _, line := range []string{`"a`, `'`, `a\`} {
		if got, err := Words(line); err == nil {
			t.Errorf("%q: %q, want an error", line, got)
		}
	}
}

func TestWordsTakesWhatIsQuoted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.String(), 1, 5).Draw(t, "words")
		line := ""
		for _, w := range words {
			quoted := "'"
			for i := range len(w) {
				if w[i] == '\'' {
					quoted += `'\''`
				} else {
					quoted += w[i : i+1]
				}
			}
			line += quoted + "' "
		}
		if got, err := Words(line); err != nil || !slices.Equal(got, words) {
			t.Fatalf("%q: %q, %v", line, got, err)
		}
	})
}

func TestNearest(t *testing.T) {
	from := []string{"start", "stop", "restart", "scale", "instances", "web"}
	for word, want := range map[string]string{
		"strat": "start", "sotp": "stop", "instance": "instances", "wbe": "web", "zzzz": "", "web": "", "x": "",
	} {
		if got := Nearest(word, from); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}
