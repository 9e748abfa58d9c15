package main

import (
	"fmt"
	"slices"

	"github.com/tendproc/tend/bench/rig"
)

// report prints a row for each measure: each guard, and how many times less
// the first one, tend, takes.
func report(subjects []*subject) {
	fmt.Print("\n| measure |")
	for _, s := range subjects {
		fmt.Printf(" %s |", s.Name)
	}
	fmt.Print(" tend takes less by |\n|---|")
	for range subjects {
		fmt.Print("---|")
	}
	fmt.Println("---|")
	row("crash → exec, ms: median", subjects, "%.2f", func(s *subject) float64 { return s.respawn.Median() })
	row("crash → exec, ms: best", subjects, "%.2f", func(s *subject) float64 { return least(s.respawn) })
	for _, n := range sizes {
		for _, command := range commands {
			of := func(s *subject) *cost { return s.lists[asked{command, n}] }
			row(fmt.Sprintf("%s, %d apps, ms: median", command, n), subjects, "%.1f", func(s *subject) float64 { return of(s).took.Median() })
			row(fmt.Sprintf("%s, %d apps, ms: best", command, n), subjects, "%.1f", func(s *subject) float64 { return least(of(s).took) })
			row(fmt.Sprintf("%s, %d apps, CPU ms: median", command, n), subjects, "%.1f", func(s *subject) float64 { return of(s).cpu.Median() })
		}
		row(fmt.Sprintf("memory of the guard at rest, %d apps, MB", n), subjects, "%.1f", func(s *subject) float64 { return s.rss[n] })
		row(fmt.Sprintf("… of it not file pages, %d apps, MB", n), subjects, "%.1f", func(s *subject) float64 { return s.anon[n] })
	}
	for _, f := range floors {
		fmt.Printf("| %s, ms: median (best) | %.1f (%.1f) |", f.what, f.start.Median(), least(f.start))
		for range subjects {
			fmt.Print(" – |")
		}
		fmt.Println()
	}
	row(fmt.Sprintf("idle %v, CPU ms", *idle), subjects, "%.2f", func(s *subject) float64 { return float64(s.idleCPU) / 1e6 })
	row(fmt.Sprintf("idle %v, wake-ups", *idle), subjects, "%.0f", func(s *subject) float64 { return float64(s.wakeUps) })
}

func row(measure string, subjects []*subject, format string, get func(*subject) float64) {
	fmt.Printf("| %s |", measure)
	for _, s := range subjects {
		fmt.Printf(" "+format+" |", get(s))
	}
	if first, last := get(subjects[0]), get(subjects[len(subjects)-1]); len(subjects) > 1 && first > 0 {
		fmt.Printf(" %.1f × |\n", last/first)
	} else {
		fmt.Println(" – |")
	}
}

func least(s rig.Series) float64 {
	if len(s) == 0 {
		return 0
	}
	return slices.Min(s)
}
