package main

import (
	"fmt"
	"time"

	"github.com/tendproc/tend/bench/rig"
)

const (
	floorName = "spawns alone"
	ranSuffix = ", until all run"
)

// measures are milliseconds by what was measured.
type measures map[string]rig.Series

func (m measures) add(measure string, d time.Duration) {
	m[measure] = append(m[measure], float64(d)/1e6)
}

// table has the measures of each program and guard.
type table struct {
	guards []*rig.Guard
	cells  map[[2]string]measures
}

func newTable(guards []*rig.Guard) *table {
	return &table{guards, map[[2]string]measures{}}
}

func (t *table) of(program, guard string) measures {
	key := [2]string{program, guard}
	if t.cells[key] == nil {
		t.cells[key] = measures{}
	}
	return t.cells[key]
}

// print gives medians, and how many times longer the last guard, pm2, took.
func (t *table) print(list []program) {
	last := t.guards[len(t.guards)-1].Name
	fmt.Printf("\n| %d apps, ms | %s |", *apps, floorName)
	for _, g := range t.guards {
		fmt.Printf(" %s |", g.Name)
	}
	for _, g := range t.guards[:len(t.guards)-1] {
		fmt.Printf(" %s ÷ %s |", last, g.Name)
	}
	fmt.Print("\n|---|---|")
	for range 2*len(t.guards) - 1 {
		fmt.Print("---|")
	}
	fmt.Println()
	for _, p := range list {
		for _, measure := range []string{"start", "start" + ranSuffix, "jlist", "restart", "restart" + ranSuffix, "stop", "delete"} {
			fmt.Printf("| %s: %s | %s |", p.name, measure, cell(t.of(p.name, floorName)[measure], "%.0f"))
			for _, g := range t.guards {
				fmt.Printf(" %s |", cell(t.of(p.name, g.Name)[measure], "%.0f"))
			}
			for _, g := range t.guards[:len(t.guards)-1] {
				fmt.Printf(" %s |", cell(t.of(p.name, last)[measure].Over(t.of(p.name, g.Name)[measure]), "%.1f ×"))
			}
			fmt.Println()
		}
	}
}

func cell(s rig.Series, format string) string {
	if len(s) == 0 {
		return "–"
	}
	return fmt.Sprintf(format, s.Median())
}
