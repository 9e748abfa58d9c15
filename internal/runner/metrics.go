package runner

import (
	_ "embed"
	"slices"
	"strings"

	"github.com/tendproc/tend/internal/spec"
)

// Metrics is a program that a Node app loads before its own. It tells its metrics when
// it is asked, and does nothing by itself: see [Runner.AskMetrics].
//
//go:embed metrics.cjs
var Metrics string

// metricsVar tells that program what of NODE_OPTIONS loads it, to be taken back.
const metricsVar = "TEND_METRICS"

// addMetrics has the process load Metrics, from path. NODE_OPTIONS and not an argument:
// so ps shows the command as ever, and what the app starts knows nothing of it.
func addMetrics(env map[string]string, path string) {
	load := `--require "` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(path) + `"`
	env[metricsVar] = load
	if own, given := env["NODE_OPTIONS"]; given {
		load += " " + own
	}
	env["NODE_OPTIONS"] = load
}

// loads says that the process can load a program of ours: that is in the home, which is
// closed to other users, and to what runs under Node's permission model.
func (l *life) loads() bool {
	app := l.spawn.App
	if app.Runtime != spec.Node || app.UID != nil || app.GID != nil {
		return false
	}
	return !slices.ContainsFunc(append(strings.Fields(app.Env["NODE_OPTIONS"]), app.InterpreterArgs...), func(arg string) bool {
		return strings.HasPrefix(arg, "--permission") || strings.HasPrefix(arg, "--experimental-permission")
	})
}

// AskMetrics asks the process for its metrics, which it tells by a message. It returns
// false if that cannot be.
func (r *Runner) AskMetrics(k Key) bool {
	r.mu.Lock()
	l := r.lives[k]
	r.mu.Unlock()
	if l == nil || !l.tells || !l.alive() {
		return false
	}
	return l.send([]byte(`{"cmd":"NODE_TEND","act":"metrics"}`)) == nil
}
