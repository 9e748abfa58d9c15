package runner

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/internal/spec"
)

// seenByApp prints what a process, its thread and its child see of how the metrics came.
const seenByApp = `
const see = () => JSON.stringify([process.env.NODE_OPTIONS, process.env.TEND_METRICS, process.execArgv])
const { Worker, isMainThread } = require('worker_threads')
if (!isMainThread) console.log('thread ' + see())
else if (process.argv[2] === 'child') { console.log('child ' + see()); process.disconnect() }
else {
	console.log('app ' + see())
	new Worker(__filename).on('exit', () => require('child_process').fork(__filename, ['child']).on('exit', () => {
		require('http').createServer((q, s) => s.end()).listen(0, '127.0.0.1', function () {
			require('http').get({ port: this.address().port, agent: false }, (res) => res.resume().on('end', () => process.send('ready')))
			process.once('SIGUSR2', () => this.close())
		})
	}))
}
`

// seen is what that is when nothing is seen.
const seen = `["--no-deprecation",null,[]]` + "\n"

var metricNames = []string{
	"Active handles", "Active requests", "Event Loop Latency", "Event Loop Latency p95",
	"HTTP", "HTTP Mean Latency", "HTTP P95 Latency", "Heap Size", "Heap Usage", "Used Heap Size",
}

// Every Node tells its metrics when it is asked, twice; neither it nor what it starts sees
// how; and it ends by itself as if they were not there.
func TestMetrics(t *testing.T) {
	for _, node := range proctest.Nodes(t) {
		t.Run(node.Name(), func(t *testing.T) {
			t.Parallel()
			for _, mode := range []spec.Mode{spec.Fork, spec.Cluster} {
				g := newRig(t)
				// A folder as people have them.
				path := filepath.Join(t.TempDir(), `it's "here" \`, "metrics.cjs")
				if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(Metrics), 0o600); err != nil {
					t.Fatal(err)
				}
				g.r.options.Metrics = path
				a := g.node(seenByApp, mode)
				a.Interpreter, a.Env = node.Path, map[string]string{"NODE_OPTIONS": "--no-deprecation"}
				k := Key{ID: 0, Gen: 1}
				g.r.Spawn(Spawn{Key: k, App: a})
				await[Ready](g, k)
				g.asksMetrics(k)
				if first := g.message(k, 0); string(first) != `{"node_version":"`+node.Version+`"}` {
					t.Errorf("first it said %s", first)
				}
				checkMetrics(t, g.message(k, 1))
				g.asksMetrics(k)
				checkMetrics(t, g.message(k, 2))
				if mode == spec.Fork {
					if err := g.r.Signal(k, 12); err != nil { // SIGUSR2
						t.Fatal(err)
					}
					if exit := await[Exited](g, k).Exit; exit.Code != 0 {
						t.Errorf("it ended with %+v", exit)
					}
				} else {
					g.r.Kill(k)
				}
				await[Gone](g, k)
				if g.r.AskMetrics(k) {
					t.Error("what has ended is asked")
				}
				if mode == spec.Fork {
					if out := g.content("a-out.log"); out != "app "+seen+"thread "+seen+"child "+seen {
						t.Errorf("seen of it:\n%s", out)
					}
				}
				g.r.Release(a.Name)
			}
		})
	}
}

func (g *rig) asksMetrics(k Key) {
	g.t.Helper()
	if !g.r.AskMetrics(k) {
		g.t.Fatal("it cannot be asked")
	}
}

// message waits for the n-th message of k, from 0.
func (g *rig) message(k Key, n int) []byte {
	g.t.Helper()
	late := time.After(30 * time.Second)
	for {
		var list []Message
		for _, rep := range g.reports(k) {
			if m, ok := rep.(Message); ok {
				list = append(list, m)
			}
		}
		if len(list) > n {
			return list[n].Data
		}
		select {
		case <-g.news: // of each report, and nobody else takes them
		case <-late:
			g.t.Fatalf("no message %d of %v", n, k)
		}
	}
}

// toldMetrics are the metrics of a message.
func toldMetrics(t *testing.T, message []byte) map[string]toldMetric {
	t.Helper()
	var said struct {
		Type   string
		Answer bool
		Data   map[string]toldMetric
	}
	if err := json.Unmarshal(message, &said); err != nil || said.Type != "axm:monitor" || !said.Answer {
		t.Fatalf("%v: %s", err, message)
	}
	return said.Data
}

type toldMetric struct {
	Historic bool
	Type     string
	Value    any
}

// checkMetrics looks at those of a process that answered one request.
func checkMetrics(t *testing.T, message []byte) {
	t.Helper()
	data := toldMetrics(t, message)
	if names := slices.Sorted(maps.Keys(data)); !slices.Equal(names, metricNames) {
		t.Errorf("it told %q", names)
	}
	for name, metric := range data {
		if metric.Value == nil || !metric.Historic || !strings.HasPrefix(metric.Type, "internal/") {
			t.Errorf("%s: %+v", name, metric)
		}
	}
	if v := data["HTTP"].Value; v != 1.0 {
		t.Errorf("%v requests a minute", v)
	}
}

// Who is asked again tells how late the event loop was between; who serves no HTTP tells
// nothing of it.
func TestMetricsOfABlockedLoop(t *testing.T) {
	g := newRig(t)
	path := filepath.Join(t.TempDir(), "metrics.cjs")
	if err := os.WriteFile(path, []byte(Metrics), 0o600); err != nil {
		t.Fatal(err)
	}
	g.r.options.Metrics = path
	k := Key{ID: 0, Gen: 1}
	g.r.Spawn(Spawn{Key: k, App: g.node(`
		let left = 10
		const block = () => {
			for (const end = Date.now() + 60; Date.now() < end;);
			left-- > 0 ? setTimeout(block) : process.send('blocked')
		}
		process.on('message', block)
		process.send('ready')
	`, spec.Fork)})
	await[Ready](g, k)
	g.asksMetrics(k)
	if data := toldMetrics(t, g.message(k, 1)); len(data) != len(metricNames)-3 {
		t.Errorf("it told %v", data)
	}
	if err := g.r.Send(k, []byte(`"block"`)); err != nil {
		t.Fatal(err)
	}
	g.message(k, 2)
	g.asksMetrics(k)
	text, _ := toldMetrics(t, g.message(k, 3))["Event Loop Latency p95"].Value.(string)
	if late, err := strconv.ParseFloat(text, 64); err != nil || late < 20 {
		t.Errorf("of a loop that takes 60 ms for a turn it tells %q, %v", text, err)
	}
	g.r.Kill(k)
	await[Gone](g, k)
}

// What may not read it is started without, and so is who does not want it.
func TestWhoLoadsNoMetrics(t *testing.T) {
	for what, change := range map[string]func(*spec.App){
		"no":         func(a *spec.App) { a.NoMetrics = true },
		"permission": func(a *spec.App) { a.InterpreterArgs = []string{"--permission"} },
		"options": func(a *spec.App) {
			a.Env = map[string]string{"NODE_OPTIONS": "--no-deprecation --experimental-permission"}
		},
		"user":    func(a *spec.App) { a.UID = new(1) },
		"program": func(a *spec.App) { a.Runtime = "" },
	} {
		a := spec.App{Runtime: spec.Node}
		change(&a)
		l := &life{spawn: Spawn{App: a}}
		if l.loads() && !a.NoMetrics {
			t.Errorf("%s: it would be loaded", what)
		}
	}
}
