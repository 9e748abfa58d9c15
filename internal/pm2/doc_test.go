package pm2

import (
	"slices"
	"strings"
	"testing"
)

func TestCalled(t *testing.T) {
	for line, want := range map[string]string{
		"":                               ": ",
		"tend":                           ": ",
		"tend run app.js":                ": run app.js",
		"/usr/bin/pm2 ls":                "pm2: ls",
		"tend pm2 ls":                    "pm2: ls",
		"tend pm2-runtime app.js":        "pm2-runtime: app.js",
		"/usr/local/bin/pm2-runtime a":   "pm2-runtime: a",
		"pm2-docker start a":             "pm2-runtime: start a",
		"pm2-dev a":                      "pm2-dev: a",
		"tend start pm2":                 ": start pm2",
		"pm2 pm2-dev":                    "pm2: pm2-dev",
		"/usr/bin/tend /usr/bin/pm2 a b": ": /usr/bin/pm2 a b",
	} {
		args, name := Called(strings.Fields(line))
		if got := name + ": " + strings.Join(args, " "); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	if args, _ := Called([]string{"pm2", "a", "b"}); !slices.Equal(args, []string{"a", "b"}) {
		t.Errorf("%q", args)
	}
}
