package glob

import "testing"

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"node_modules", "node_modules", true},
		{"*.log", "a.log", true},
		{"*.log", "logs/a.log", false},
		{"logs/**", "logs", true},
		{"logs/**", "logs/2026/a.log", true},
		{"**/*.js", "src/deep/a.js", true},
		{"**/*.js", "a.js", true},
		{"src/{a,b}/*", "src/b/x", true},
		{".?*", ".git", true},
		{".?*", "git", false},
	} {
		if got := Match(c.pattern, c.path); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.pattern, c.path, got)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, c := range [][3]string{
		{"/srv/app", "/srv/app", ""},
		{"/srv/app/**/*.js", "/srv/app", "**/*.js"},
		{"/srv/[ab]/x.js", "/srv", "[ab]/x.js"},
	} {
		if base, rest := Split(c[0]); base != c[1] || rest != c[2] {
			t.Errorf("Split(%q) = %q, %q", c[0], base, rest)
		}
	}
}

func TestValid(t *testing.T) {
	for pattern, want := range map[string]bool{"src/**": true, "[ab": false, "{a,b": false} {
		if Valid(pattern) != want {
			t.Errorf("Valid(%q) = %v", pattern, !want)
		}
	}
}
