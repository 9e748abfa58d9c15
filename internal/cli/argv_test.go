package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"pgregory.net/rapid"

	"github.com/tendproc/tend/internal/spec"
)

func testFlags() *pflag.FlagSet {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	fs.SetNormalizeFunc(normal)
	defineFlags(fs, flagSpecs)
	return fs
}

func TestPrepare(t *testing.T) {
	for line, want := range map[string]string{
		"scale web -2":                        "scale web ~-2",
		"-i -1 start app.js":                  "-i -1 start app.js",
		"start app.js --instances -1":         "start app.js --instances -1",
		"start -fi -1 app.js":                 "start -fi -1 app.js",
		"stop -s -1":                          "stop -s ~-1",
		"start --stop-exit-codes 0 1 app.js":  "start --stop-exit-codes=0,1 app.js",
		"restart a --stop-exit-codes 3 -f":    "restart a --stop-exit-codes=3 -f",
		"restart a --stop-exit-codes=3 4":     "restart a --stop-exit-codes=3 4",
		"start a -- --stop-exit-codes 0 1 -2": "start a -- --stop-exit-codes 0 1 -2",
		"-V":                                  "--version",
		"start -n -V app.js":                  "start -n -V app.js",
		"send signal HUP web":                 "sendSignal HUP web",
		"-s send signal HUP web":              "-s sendSignal HUP web",
		"send signal x":                       "sendSignal x",
		"send 0 signal":                       "send 0 signal",
		"start - -- -":                        "start - -- -",
	} {
		got := strings.Join(prepare(strings.Fields(line), testFlags()), " ")
		if got = strings.ReplaceAll(got, operandMark, "~"); got != want {
			t.Errorf("%s\n got %s\nwant %s", line, got, want)
		}
	}
}

// Whatever is typed, the app gets its own arguments as they are.
func TestTheAppsArgumentsAreLeftAlone(t *testing.T) {
	word := rapid.SampledFrom([]string{"start", "-i", "-1", "--", "send", "signal", "--stop-exit-codes", "0", "-V", "-n", "x", "", "-"})
	rapid.Check(t, func(t *rapid.T) {
		own := append([]string{"--"}, rapid.SliceOf(word).Draw(t, "own")...)
		got := prepare(append([]string{"start", "app.js", "-f"}, own...), testFlags())
		if !slices.Equal(got[3:], own) {
			t.Fatalf("%q became %q", own, got[3:])
		}
	})
}

// Nothing that can be typed ends in anything but a value or an error.
func TestOptionsOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := testFlags()
		for range rapid.IntRange(1, 4).Draw(t, "n") {
			f := rapid.SampledFrom(flagSpecs).Draw(t, "flag")
			text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"null", "-1", "0", "99999999999999999999", "1e9s", "max"})).Draw(t, "text")
			if f.value == "" {
				text = "true"
			}
			if err := fs.Set(f.name, text); err != nil {
				return
			}
		}
		v := &values{fs: fs}
		o, err := v.options()
		if err == nil && o.KillTimeout != nil && *o.KillTimeout < 0 && *o.KillTimeout != spec.Reset {
			t.Fatalf("a grace of %s", *o.KillTimeout)
		}
	})
}
