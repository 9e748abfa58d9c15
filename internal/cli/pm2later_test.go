package cli

import (
	"slices"
	"testing"
)

// No command of PM2 is missing by its name.
func TestNoCommandOfPM2IsMissing(t *testing.T) {
	var known []string
	for _, v := range slices.Concat(pm2Dialect().verbs...) {
		known = append(append(known, v.name()), v.aliases...)
	}
	for _, verb := range laterVerbs {
		if !slices.Contains(known, verb) {
			t.Errorf("%s is missing", verb)
		}
	}
}
