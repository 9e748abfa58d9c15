package runner

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
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

// Every Node tells its metrics; neither it nor what it starts sees how; and it ends by itself
// as if they were not there.
func TestMetrics(t *testing.T) {
	for _, node := range proctest.Nodes(t) {
		for _, mode := range []spec.Mode{spec.Fork, spec.Cluster} {
			t.Run(node.Name()+" "+string(mode), func(t *testing.T) {
				t.Parallel()
				g := newRig(t)
				// A folder as people have them.
				g.loadMetrics(filepath.Join(t.TempDir(), `it's "here" \`))
				a := g.node(seenByApp, mode)
				a.Interpreter, a.Env = node.Path, map[string]string{"NODE_OPTIONS": "--no-deprecation"}
				k := Key{ID: 0, Gen: 1}
				g.r.Spawn(Spawn{Key: k, App: a})
				await[Ready](g, k)
				checkMetrics(t, g.toldMetrics(k, func(m map[string]metric) bool { return len(m) == len(metricNames) }))
				if first := await[Message](g, k).Data; string(first) != `{"node_version":"`+node.Version+`"}` {
					t.Errorf("first it said %s", first)
				}
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
				if told := g.r.Told(k); told != nil {
					t.Errorf("what has ended tells %v", told)
				}
				if n := strings.Count(g.names(k), "Message"); n != 1 {
					t.Errorf("it is reported: %s", g.names(k))
				}
				if mode == spec.Fork {
					if out := g.content("a-out.log"); out != "app "+seen+"thread "+seen+"child "+seen {
						t.Errorf("seen of it:\n%s", out)
					}
				}
				g.r.Release(a.Name)
			})
		}
	}
}

// loadMetrics has Node apps load them from a folder that is made.
func (g *rig) loadMetrics(folder string) {
	g.t.Helper()
	path := filepath.Join(folder, "metrics.cjs")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(Metrics), 0o600); err != nil {
		g.t.Fatal(err)
	}
	g.r.options.Metrics = path
}

type metric struct {
	Historic bool
	Type     string
	Value    any
}

// toldMetrics waits for such as are wanted.
func (g *rig) toldMetrics(k Key, wanted func(map[string]metric) bool) map[string]metric {
	g.t.Helper()
	late := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		told := map[string]metric{}
		for name, text := range g.r.Told(k) {
			var m metric
			if err := json.Unmarshal(text, &m); err != nil {
				g.t.Fatalf("%v: %s", err, text)
			}
			told[name] = m
		}
		if wanted(told) {
			return told
		}
		select {
		case <-tick.C:
		case <-late:
			g.t.Fatalf("%v tells %v", k, told)
		}
	}
}

// checkMetrics looks at those of a process that answered one request.
func checkMetrics(t *testing.T, told map[string]metric) {
	t.Helper()
	if names := slices.Sorted(maps.Keys(told)); !slices.Equal(names, metricNames) {
		t.Errorf("it told %q", names)
	}
	for name, m := range told {
		if m.Value == nil || !m.Historic || !strings.HasPrefix(m.Type, "internal/") {
			t.Errorf("%s: %+v", name, m)
		}
	}
	if rate, _ := told["HTTP"].Value.(float64); rate > 1 || rate < 0.5 {
		t.Errorf("%v requests a minute", rate)
	}
}

// An app that waits, also one that serves, tells once and then nothing, and is not woken;
// what it does then is told. A message to the program is something, too.
func TestMetricsLetSleep(t *testing.T) {
	for _, node := range proctest.Nodes(t) {
		t.Run(node.Name(), func(t *testing.T) {
			t.Parallel()
			g := newRig(t)
			g.loadMetrics(t.TempDir())
			a := g.node(`
				require('http').createServer((q, s) => s.end()).listen(0, '127.0.0.1')
				let kept
				process.on('message', () => { kept = Array.from({ length: 4e6 }, (_, i) => i) })
			`, spec.Fork)
			a.Interpreter = node.Path
			k := Key{ID: 0, Gen: 1}
			g.r.Spawn(Spawn{Key: k, App: a})
			pid := await[Spawned](g, k).PID
			before := g.toldMetrics(k, func(m map[string]metric) bool { return len(m) > 0 })
			if len(before) != len(metricNames)-3 {
				t.Errorf("who serves no HTTP tells %v", before)
			}
			g.sleeps(k, pid)
			if err := g.r.Send(k, []byte(`"work"`)); err != nil {
				t.Fatal(err)
			}
			used := func(m map[string]metric) (mib float64) {
				text, _ := m["Used Heap Size"].Value.(string)
				mib, _ = strconv.ParseFloat(text, 64)
				return mib
			}
			g.toldMetrics(k, func(m map[string]metric) bool { return used(m) > used(before)+16 })
			g.r.Kill(k)
			await[Gone](g, k)
		})
	}
}

// sleeps waits until the main thread of k was not woken, and told nothing, for longer than
// it waits between two.
func (g *rig) sleeps(k Key, pid int) {
	g.t.Helper()
	if runtime.GOOS != "linux" {
		g.t.Skip("only Linux tells how often a thread was woken")
	}
	now := func() string {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "task", strconv.Itoa(pid), "status"))
		if err != nil {
			g.t.Fatal("nothing tells how often the thread was woken: ", err)
		}
		_, count, _ := strings.Cut(string(text), "\nvoluntary_ctxt_switches:")
		count, _, _ = strings.Cut(count, "\n")
		return count + " " + g.r.life(k).last.Load().at.String()
	}
	late := time.After(60 * time.Second)
	for before := now(); ; {
		select {
		case <-time.After(2 * time.Second):
		case <-late:
			g.t.Fatal("it is awake again and again")
		}
		after := now()
		if after == before {
			return
		}
		before = after
	}
}

// How late the loop is, is told: its timers wait for what blocks it. That holds nobody
// whose program has ended.
func TestMetricsOfABlockedLoop(t *testing.T) {
	g := newRig(t)
	g.loadMetrics(t.TempDir())
	k := Key{ID: 0, Gen: 1}
	g.r.Spawn(Spawn{Key: k, App: g.node(`
		let over = false
		const block = () => {
			for (const end = Date.now() + 300; Date.now() < end;);
			if (!over) setTimeout(block)
		}
		process.once('message', () => { over = true })
		block()
	`, spec.Fork)})
	g.toldMetrics(k, func(m map[string]metric) bool {
		text, _ := m["Event Loop Latency p95"].Value.(string)
		late, _ := strconv.ParseFloat(text, 64)
		return late > 20
	})
	if err := g.r.Send(k, []byte(`"over"`)); err != nil {
		t.Fatal(err)
	}
	if exit := await[Exited](g, k).Exit; exit.Code != 0 {
		t.Errorf("it ended with %+v", exit)
	}
	await[Gone](g, k)
}

// Of metrics that nobody reads one message waits in the app, and no more.
func TestMetricsThatNobodyReads(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.loadMetrics(t.TempDir())
	k := Key{ID: 0, Gen: 1}
	g.r.Spawn(Spawn{Key: k, App: g.node(`
		process.once('message', () => {
			process.send('x'.repeat(1 << 20))
			const unsent = new Set(), end = Date.now() + 4500
			const look = setInterval(() => {
				unsent.add(process._getActiveRequests().length)
				if (Date.now() > end) { clearInterval(look); console.log('unsent', unsent.size) }
			}, 20)
		})
		process.send('ready')
	`, spec.Fork)})
	await[Ready](g, k)
	g.toldMetrics(k, func(m map[string]metric) bool { return len(m) > 0 })
	l := g.r.life(k)
	before := l.last.Load().at
	l.fork.turn <- struct{}{} // as one who reads
	release := sync.OnceFunc(func() { <-l.fork.turn })
	defer release()
	if err := g.r.Send(k, []byte(`"fill"`)); err != nil {
		t.Fatal(err)
	}
	g.awaitOutput(k, "unsent 2")
	release()
	g.toldMetrics(k, func(map[string]metric) bool { return l.last.Load().at.After(before) })
	g.r.Kill(k)
	await[Gone](g, k)
}

// A runner that takes a process over has it tell, which does nothing by itself.
func TestAdoptMetrics(t *testing.T) {
	for _, mode := range []spec.Mode{spec.Fork, spec.Cluster} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			first, h := newRig(t), &holder{}
			first.r.options.Hold = h
			first.loadMetrics(t.TempDir())
			a := first.node(`require('http').createServer(() => {}).listen(0, '127.0.0.1'); process.on('message', console.log)`, mode)
			k := Key{ID: 0, Gen: 1}
			first.r.Spawn(Spawn{Key: k, App: a})
			pid := await[Spawned](first, k).PID
			first.toldMetrics(k, func(m map[string]metric) bool { return len(m) > 0 })
			first.sleeps(k, pid)
			before := first.r.life(k).last.Load().at

			next := newRig(t)
			next.r.options.Hold = h
			next.r.held = heldLives(h.give(t))
			if !next.r.Adopt(Spawn{Key: k, App: a}) {
				t.Fatal("it is not to be had")
			}
			await[Adopted](next, k)
			next.toldMetrics(k, func(m map[string]metric) bool { // or the first, who still reads, took it
				return len(m) > 0 || first.r.life(k).last.Load().at.After(before)
			})
			if out := append(first.r.Tail(k, 9), next.r.Tail(k, 9)...); len(out) > 0 {
				t.Errorf("the program saw %q", out)
			}
			next.r.Kill(k)
			await[Gone](next, k)
			await[Gone](first, k)
		})
	}
}

// A rate of requests falls while nothing is told; numbers that nobody knows are nothing.
func TestMetricsInWords(t *testing.T) {
	for list, want := range map[string]string{
		`[4.5,2.254,50.1,0,3,0.27,1,30,1.5,2]`: `map[Active handles:3 Active requests:0 Event Loop Latency:"0.27" Event Loop Latency p95:"1.00" HTTP:11.04 ` +
			`HTTP Mean Latency:1.5 HTTP P95 Latency:2 Heap Size:"4.50" Heap Usage:50.1 Used Heap Size:"2.25"]`,
		`[1,2`:                        `map[Heap Size:"1.00" Used Heap Size:"2.00"]`,
		`["x"]`:                       `map[]`,
		`{"a":1}`:                     `map[]`,
		`[0,0,0,0,0,0,0,0,0,0,11,12]`: `map[Active handles:0 Active requests:0 Event Loop Latency:"0.00" Event Loop Latency p95:"0.00" HTTP:0 HTTP Mean Latency:0 HTTP P95 Latency:0 Heap Size:"0.00" Heap Usage:0 Used Heap Size:"0.00"]`,
		`[1e999]`:                     `map[]`,
		`[NaN]`:                       `map[]`,
	} {
		got := map[string]string{}
		for name, text := range inWords([]byte(list), time.Minute) {
			var m struct{ Value json.RawMessage }
			if err := json.Unmarshal(text, &m); err != nil {
				t.Errorf("%v: %s", err, text)
			}
			got[name] = string(m.Value)
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%s: %v, want %s", list, got, want)
		}
	}
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
