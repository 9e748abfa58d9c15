// Ipc measures messages, handles and starts between processes: Go and Go, Go and
// Node, Node and Node. The three run in turn, round after round; a ratio is taken
// within its round.
//
//	go -C bench/ipc run . [-rounds 7] [-pairs 'Go↔Go'] [-steps '10 kB'] [-times 10]
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tendproc/tend/bench/rig"
)

var (
	rounds = flag.Int("rounds", 7, "how often to measure each pair")
	node   = flag.String("node", "node", "the Node to measure with")
	only   = flag.String("pairs", "", "measure the pairs whose names match this pattern, beside Node↔Node")
	steps  = flag.String("steps", "", "measure the steps whose names match this pattern")
	times  = flag.Int("times", 1, "how many times as many messages")
)

func main() {
	if how := role(os.Args[1:]); how != "" {
		if err := obey(context.Background(), how); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		return
	}
	rig.Main(bench)
}

// role is how this process obeys as a child, "" if it is the parent. A Node parent
// names its own script before what it wants.
func role(args []string) string {
	switch {
	case len(args) == 2 && args[0] == "child":
		return args[1]
	case len(args) == 2 && args[1] == "child":
		return typed
	}
	return ""
}

// Step is one thing to measure, on a channel that stays.
type Step struct {
	Name  string `json:"name"`
	What  string `json:"what"`
	Count int    `json:"count"`
	Size  int    `json:"size"` // of one long string; 0 for a list of records
	Warm  bool   `json:"warm"` // is not counted
}

var plan = []Step{
	{"", "receive", 10_000, 100, true},
	{"", "send", 10_000, 100, true},
	{"receive 100 B", "receive", 40_000, 100, false},
	{"send 100 B", "send", 40_000, 100, false},
	{"", "receive", 300, 10_000, true},
	{"", "send", 300, 10_000, true},
	{"receive 10 kB", "receive", 3_000, 10_000, false},
	{"send 10 kB", "send", 3_000, 10_000, false},
	{"", "receive", 300, 0, true},
	{"", "send", 300, 0, true},
	{"receive records", "receive", 1_000, 0, false},
	{"send records", "send", 1_000, 0, false},
	{"round trip 100 B", "trip", 3_000, 100, false},
	{"handles", "handles", 1_000, 0, false},
	{"spawn", "spawn", 50, 0, false},
}

// pair is a parent and a child.
type pair struct {
	name string
	run  func(ctx context.Context) (map[string]float64, error)
}

func bench(ctx context.Context) error {
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	if err := choose(*steps); err != nil {
		return err
	}
	pairs := []pair{
		{"Node↔Node", func(ctx context.Context) (map[string]float64, error) { return nodeParent(ctx, *node) }},
		{"Node↔Go", func(ctx context.Context) (map[string]float64, error) { return nodeParent(ctx, self()) }},
		{"Go↔Node", func(ctx context.Context) (map[string]float64, error) { return measure(ctx, nodeChild(), typed) }},
		{"Go↔Node, v2", func(ctx context.Context) (map[string]float64, error) { return measure(ctx, nodeChild(), faster) }},
		{"Go↔Node, raw", func(ctx context.Context) (map[string]float64, error) { return measure(ctx, nodeChild(), raw) }},
		{"Go↔Go", func(ctx context.Context) (map[string]float64, error) { return measure(ctx, goChild(typed), typed) }},
		{"Go↔Go, v2", func(ctx context.Context) (map[string]float64, error) { return measure(ctx, goChild(faster), faster) }},
		{"Go↔Go, raw", func(ctx context.Context) (map[string]float64, error) { return measure(ctx, goChild(raw), raw) }},
		{"Go↔Go, Send", func(ctx context.Context) (map[string]float64, error) { return measure(ctx, goChild(each), each) }},
	}
	pairs = slices.DeleteFunc(pairs, func(p pair) bool { return p.name != pairs[0].name && !wanted.MatchString(p.name) })
	got := map[string]map[string]rig.Series{}
	for round := range *rounds {
		for _, p := range pairs {
			rates, err := p.run(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			if got[p.name] == nil {
				got[p.name] = map[string]rig.Series{}
			}
			for name, rate := range rates {
				got[p.name][name] = append(got[p.name][name], rate)
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, *rounds)
	}
	report(pairs, got)
	return nil
}

// choose leaves the steps in the plan whose names match, and what warms up.
func choose(pattern string) error {
	wanted, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	plan = slices.DeleteFunc(plan, func(s Step) bool { return !s.Warm && !wanted.MatchString(s.Name) })
	for i := range plan {
		plan[i].Count *= *times
	}
	return nil
}

// The rows of a table.
var (
	messages = []string{
		"receive 100 B", "send 100 B", "receive 10 kB", "send 10 kB", "receive records", "send records", "round trip 100 B", "handles",
	}
	starts = []string{"fork", "spawn"}
)

// cpu is before the name of a step where a figure is the processor time of both
// ends, in microseconds for each message, and not the rate.
const cpu = "cpu "

// report prints rates, and ratios to the first pair; then what they cost.
func report(pairs []pair, times map[string]map[string]rig.Series) {
	head := func(title string) {
		fmt.Printf("\n| %s |", title)
		for _, p := range pairs {
			fmt.Printf(" %s |", p.name)
		}
		fmt.Println("\n|---" + strings.Repeat("|---", len(pairs)) + "|")
	}
	base := times[pairs[0].name]
	head("per second")
	for _, name := range append(messages, starts...) {
		if base[name] == nil {
			continue
		}
		fmt.Printf("| %s |", name)
		for i, p := range pairs {
			got := times[p.name][name]
			if i == 0 {
				fmt.Printf(" %.0f |", got.Median())
			} else {
				fmt.Printf(" %.0f, %s× |", got.Median(), got.Over(base[name]).Range("%.1f"))
			}
		}
		fmt.Println()
	}
	head("µs of CPU, both ends")
	for _, name := range messages {
		if base[name] == nil {
			continue
		}
		fmt.Printf("| %s |", name)
		for i, p := range pairs {
			got := times[p.name][cpu+name]
			if i == 0 {
				fmt.Printf(" %.1f |", got.Median())
			} else {
				fmt.Printf(" %.1f, 1/%s |", got.Median(), base[cpu+name].Over(got).Range("%.1f"))
			}
		}
		fmt.Println()
	}
}

func script() string {
	path, err := filepath.Abs("peer.js")
	if err != nil {
		panic(err)
	}
	return path
}

// nodeParent measures with a Node parent and the program as its child.
func nodeParent(ctx context.Context, program string) (got map[string]float64, err error) {
	steps, err := json.Marshal(plan)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, *node, script(), string(steps), program)
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(out, &got); err != nil {
		return nil, err
	}
	got["fork"] = 1 / got["fork"]
	return got, nil
}
