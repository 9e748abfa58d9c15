package procs

import (
	"time"

	"github.com/tendproc/tend/internal/sys"
)

// Usage is what a process tree costs.
type Usage struct {
	// CPU is percent of one processor since the last sample of this tree, or
	// since its root started where there was none.
	CPU       float64
	Time      time.Duration // processor time of the processes that are there now
	RSS       uint64        // bytes, pages shared within the tree counted more than once
	Processes int           // 0: the root is gone
}

// scanAbove is how many trees are walked one by one; for more, it is cheaper to
// know of all processes, since a Node process alone has eleven threads to ask.
const scanAbove = 8

// Sampler measures process trees, one sample against the one before. The zero
// value is ready. It is not for concurrent use, and costs nothing between calls.
type Sampler struct {
	r      Reader
	kin    kin
	last   map[life]time.Duration // processor time at the last sample
	lastAt time.Duration          // since boot
	spare  map[life]time.Duration
	room   []Stat // for a tree
}

type life struct {
	pid   int
	start time.Duration
}

// Sample measures the trees below the given processes, in their order. What is
// not sampled this time counts as new the next time.
func (s *Sampler) Sample(roots []int) []Usage {
	now := sys.SinceBoot()
	seen := s.spare
	if seen == nil {
		seen = make(map[life]time.Duration)
	}
	clear(seen)
	var table *Table
	if len(roots) > scanAbove {
		table, _ = s.kin.below(roots)
	}
	usage := make([]Usage, len(roots))
	for i, pid := range roots {
		if tree := s.tree(pid, table); len(tree) > 0 {
			usage[i] = s.measure(tree, now, seen)
		}
	}
	s.last, s.spare, s.lastAt = seen, s.last, now
	s.kin.trim()
	return usage
}

func (s *Sampler) tree(pid int, table *Table) []Stat {
	if pid <= 0 {
		return nil
	}
	if table != nil {
		root, ok := table.Get(pid)
		if !ok {
			return nil
		}
		s.room = table.tree(s.room[:0], root)
		return s.room
	}
	root, err := s.r.Stat(pid)
	if err != nil {
		return nil
	}
	tree, err := s.r.Descend(root)
	if err != nil {
		return []Stat{root}
	}
	return tree
}

func (s *Sampler) measure(tree []Stat, now time.Duration, seen map[life]time.Duration) (u Usage) {
	root := &tree[0]
	_, again := s.last[life{root.PID, root.Start}]
	since := root.Start
	if again {
		since = s.lastAt
	}
	var spent time.Duration
	for i := range tree {
		p := &tree[i]
		if !p.Alive() {
			continue
		}
		id := life{p.PID, p.Start}
		seen[id] = p.CPU()
		u.Time += p.CPU()
		u.RSS += p.RSS
		u.Processes++
		spent += p.CPU() - s.last[id] // a process that is new spent all of it
	}
	// Below a tick, the counters say nothing.
	if span := now - since; span >= tick && spent > 0 {
		u.CPU = 100 * float64(spent) / float64(span)
	}
	return u
}
