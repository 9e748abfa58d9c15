package pm2test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// uses notes which differences were found.
type uses struct {
	mu    sync.Mutex // guards found
	found map[string]bool
}

func newUses() *uses { return &uses{found: map[string]bool{}} }

func (u *uses) note(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.found[name] = true
}

// complain reports what is accepted and does not occur.
func (u *uses) complain(t *testing.T) {
	for _, d := range accepted {
		if !u.found[d.name] {
			t.Errorf("the difference %q is accepted and was not found: take it away", d.name)
		}
	}
}

// compare reports every fact that only one side has, the accepted ones apart.
func compare(t *testing.T, used *uses, want, got []block) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("the transcript has %d lines, and the script %d: record it anew", len(want), len(got))
	}
	for i, w := range want {
		if w.line != got[i].line {
			t.Fatalf("the transcript says %q, the script %q: record it anew", w.line, got[i].line)
		}
		var wrong []string
		note := func(mark string, fact string) {
			if d := acceptedFor(w.line, fact); d != nil {
				used.note(d.name)
				return
			}
			wrong = append(wrong, mark+" "+fact)
		}
		for _, fact := range minus(w.facts, got[i].facts) {
			note("-", fact)
		}
		for _, fact := range minus(got[i].facts, w.facts) {
			note("+", fact)
		}
		if len(wrong) > 0 {
			t.Errorf("$ %s\n  %s", w.line, strings.Join(wrong, "\n  "))
		}
	}
}

// minus are the facts of a that b has not, as often as it has not.
func minus(a, b []string) (only []string) {
	count := map[string]int{}
	for _, fact := range b {
		count[fact]++
	}
	for _, fact := range a {
		if count[fact]--; count[fact] < 0 {
			only = append(only, fact)
		}
	}
	return only
}

func acceptedFor(line, fact string) *difference {
	for i := range accepted {
		d := &accepted[i]
		if (d.line == nil || d.line.MatchString(line)) && d.fact.MatchString(fact) {
			return d
		}
	}
	return nil
}

// difference is one that is meant.
type difference struct {
	name   string         // what it is about
	line   *regexp.Regexp // of the script; nil for any
	fact   *regexp.Regexp
	reason string
}

const pagePath = "../../docs/pm2-differences.md"

// The page lists the differences that the test accepts, and no others.
func TestPageListsTheDifferences(t *testing.T) {
	var b strings.Builder
	for _, d := range accepted {
		fmt.Fprintf(&b, "| %s | %s |\n", d.name, d.reason)
	}
	text, err := os.ReadFile(pagePath)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- differences -->\n", "<!-- end -->"
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no %q", pagePath, begin)
	}
	want := before + begin + "| difference | reason |\n|---|---|\n" + b.String() + end + after
	if *recordAll {
		if err := os.WriteFile(pagePath, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Errorf("%s is not what the table says: run the tests with -record", pagePath)
	}
	names := []string{}
	for _, d := range accepted {
		if slices.Contains(names, d.name) {
			t.Errorf("%s is listed twice", d.name)
		}
		names = append(names, d.name)
	}
}
