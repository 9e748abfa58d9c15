// Ipc measures messages, handles and starts between processes: Go and Go, Go and
// Node, Node and Node. The three run in turn, round after round; a ratio is taken
// within its round.
//
//	go run ./bench/ipc [-rounds 7]
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/tendproc/tend/bench/rig"
)

var (
	rounds = flag.Int("rounds", 7, "how often to measure each pair")
	node   = flag.String("node", "node", "the Node to measure with")
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == "child" {
		if err := obey(context.Background(), os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		return
	}
	rig.Main(bench)
}

// Step is one thing to measure, on a channel that stays.
type Step struct {
	Name  string `json:"name"`
	What  string `json:"what"`
	Count int    `json:"count"`
	Size  int    `json:"size"`
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
	pairs := []pair{
		{"Node↔Node", nodeToNode},
		{"Go↔Node", func(ctx context.Context) (map[string]float64, error) { return measure(ctx, nodeChild(), typed) }},
		{"Go↔Node, raw", func(ctx context.Context) (map[string]float64, error) { return measure(ctx, nodeChild(), raw) }},
		{"Go↔Go", func(ctx context.Context) (map[string]float64, error) { return measure(ctx, goChild(typed), typed) }},
		{"Go↔Go, raw", func(ctx context.Context) (map[string]float64, error) { return measure(ctx, goChild(raw), raw) }},
		{"Go↔Go, Send", func(ctx context.Context) (map[string]float64, error) { return measure(ctx, goChild(each), each) }},
	}
	times := map[string]map[string]rig.Series{}
	for round := range *rounds {
		for _, p := range pairs {
			got, err := p.run(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			if times[p.name] == nil {
				times[p.name] = map[string]rig.Series{}
			}
			for name, rate := range got {
				times[p.name][name] = append(times[p.name][name], rate)
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, *rounds)
	}
	report(pairs, times)
	return nil
}

// report prints rates, and ratios to the first pair.
func report(pairs []pair, times map[string]map[string]rig.Series) {
	fmt.Print("| per second |")
	for _, p := range pairs {
		fmt.Printf(" %s |", p.name)
	}
	fmt.Print("\n|---|")
	for range pairs {
		fmt.Print("---|")
	}
	base := times[pairs[0].name]
	for _, name := range []string{
		"receive 100 B", "send 100 B", "receive 10 kB", "send 10 kB", "round trip 100 B", "handles", "fork", "spawn",
	} {
		fmt.Printf("\n| %s |", name)
		for i, p := range pairs {
			got := times[p.name][name]
			if i == 0 {
				fmt.Printf(" %.0f |", got.Median())
			} else {
				fmt.Printf(" %.0f, %s× |", got.Median(), got.Over(base[name]).Range("%.1f"))
			}
		}
	}
	fmt.Println()
}

func script() string {
	path, err := filepath.Abs(filepath.Join("bench", "ipc", "peer.js"))
	if err != nil {
		panic(err)
	}
	return path
}

func nodeToNode(ctx context.Context) (got map[string]float64, err error) {
	steps, err := json.Marshal(plan)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, *node, script(), string(steps))
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
