package cli

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// The page of differences names every command of PM2 that is missing by its name.
func TestPageNamesWhatIsMissing(t *testing.T) {
	text, err := os.ReadFile("../../docs/pm2-differences.md")
	if err != nil {
		t.Fatal(err)
	}
	_, missing, _ := strings.Cut(string(text), "Commands of PM2 that are not there yet:")
	missing, _, _ = strings.Cut(missing, "Each says so")
	var known []string
	for _, v := range slices.Concat(pm2Dialect().verbs...) {
		known = append(append(known, v.name()), v.aliases...)
	}
	for _, verb := range laterVerbs {
		if said := strings.Contains(missing, "`"+verb+"`"); said == slices.Contains(known, verb) {
			t.Errorf("%s is there: %t, and the page says that it is missing: %t", verb, slices.Contains(known, verb), said)
		}
	}
}
