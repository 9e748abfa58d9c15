package runner

import (
	_ "embed"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/jsontext"
	"github.com/tendproc/tend/internal/spec"
)

// Metrics is a program that a Node app loads before its own. It tells metrics after the
// app did something, once a second at most, and nothing else wakes the app for it.
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

// numbers are what a process told by Metrics, undecoded: few look at them.
type numbers struct {
	at      time.Time
	message []byte
}

// toldPrefix is what such a message begins with, as JSON.stringify writes it.
const toldPrefix = `{"type":"tend:metrics","data":`

// stir has a process tell that does nothing: Node hides it from the program.
const stir = `{"cmd":"NODE_TEND"}`

// words are those of PM2's agent for the numbers that are told, in their order.
var words = [...]struct {
	name, kind, unit string
	text             bool // the value is one
}{
	{name: "Heap Size", kind: "internal/v8/heap/total", unit: "MiB", text: true},
	{name: "Used Heap Size", kind: "internal/v8/heap/used", unit: "MiB", text: true},
	{name: "Heap Usage", kind: "internal/v8/heap/usage", unit: "%"},
	{name: "Active requests", kind: "internal/libuv/requests"},
	{name: "Active handles", kind: "internal/libuv/handles"},
	{name: "Event Loop Latency", kind: "internal/libuv/latency/p50", unit: "ms", text: true},
	{name: "Event Loop Latency p95", kind: "internal/libuv/latency/p95", unit: "ms", text: true},
	{name: requestRate, kind: "internal/http/builtin/reqs", unit: "req/min"}, // from here on, if it serves HTTP
	{name: "HTTP Mean Latency", kind: "internal/http/builtin/latency/p50", unit: "ms"},
	{name: "HTTP P95 Latency", kind: "internal/http/builtin/latency/p95", unit: "ms"},
}

// requestRate is the name of what falls by itself while nothing is told.
const requestRate = "HTTP"

// Told returns the metrics that the process told last, by name; nil if it told none.
func (r *Runner) Told(k Key) map[string]json.RawMessage {
	l := r.life(k)
	if l == nil {
		return nil
	}
	n := l.last.Load()
	if n == nil {
		return nil
	}
	return inWords(n.message[len(toldPrefix):], time.Since(n.at))
}

// inWords are the numbers of a list that was told some time ago.
func inWords(list []byte, ago time.Duration) map[string]json.RawMessage {
	all := make(map[string]json.RawMessage, len(words))
	buf := make([]byte, 0, 1<<10) // of all values
	i := 0
	for number := range jsontext.Elements(list) {
		value, err := strconv.ParseFloat(string(number), 64)
		if err != nil || value-value != 0 || i == len(words) { // an endless one is no JSON
			break
		}
		w := &words[i]
		if w.name == requestRate {
			value = math.Round(100*value*math.Exp(-ago.Minutes())) / 100
		}
		from := len(buf)
		buf = append(buf, `{"historic":true,`...)
		if w.unit != "" {
			buf = append(append(append(buf, `"unit":"`...), w.unit...), `",`...)
		}
		buf = append(append(append(buf, `"type":"`...), w.kind...), `","value":`...)
		if w.text {
			buf = append(strconv.AppendFloat(append(buf, '"'), value, 'f', 2, 64), '"')
		} else {
			buf = strconv.AppendFloat(buf, value, 'f', -1, 64)
		}
		buf = append(buf, '}')
		all[w.name] = buf[from:len(buf):len(buf)]
		i++
	}
	return all
}
