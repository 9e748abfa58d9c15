package child

import (
	"slices"
	"strings"
	"testing"
)

// Whatever an environment holds, a child has each variable once, the last of it, and
// this package's own as they are meant.
func FuzzEnvironment(f *testing.F) {
	f.Add("A=1\nB=2\nA=3\n=x\nnone\nTEND_TREE=old\nNODE_CHANNEL_FD=9", 3)
	f.Add("", -1)
	f.Add("A=\nA\nA==", 0)
	f.Fuzz(func(t *testing.T, text string, channel int) {
		given := strings.Split(text, "\n")
		before := slices.Clone(given)
		c := Command{Env: given}
		env := c.environment(&plan{tree: "mine", channel: channel})
		if !slices.Equal(given, before) {
			t.Errorf("%q became %q", before, given)
		}
		has := map[string]string{}
		for _, entry := range env {
			key, value, ok := strings.Cut(entry, "=")
			if _, twice := has[key]; !ok || twice {
				t.Errorf("%q in %q", entry, env)
			}
			has[key] = value
		}
		want := map[string]string{}
		for i, entry := range given {
			key, value, ok := strings.Cut(entry, "=")
			last := !slices.ContainsFunc(given[i+1:], func(e string) bool { return e == key || strings.HasPrefix(e, key+"=") })
			if ok && last {
				want[key] = value
			}
		}
		want[MarkerVar] = "mine"
		if channel >= 0 {
			want[channelVar], want[serializationVar] = itoa(channel), "json"
		}
		for key, value := range want {
			if got, ok := has[key]; !ok || got != value {
				t.Errorf("%s=%q, want %q, in %q of %q", key, got, value, env, given)
			}
		}
		if len(has) != len(want) {
			t.Errorf("%q of %q", env, given)
		}
	})
}
