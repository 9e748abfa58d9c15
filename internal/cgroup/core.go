package cgroup

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Limits are what a process tree may use; zero for as much as there is.
type Limits struct {
	Memory uint64  // bytes
	CPU    float64 // of one CPU: 0.5 is half of one, 2 is two
}

// The controllers that keep them.
const (
	memory = "memory"
	cpu    = "cpu"
)

// needs are the controllers that keep l.
func (l Limits) needs() (list []string) {
	if l.Memory > 0 {
		list = append(list, memory)
	}
	if l.CPU > 0 {
		list = append(list, cpu)
	}
	return list
}

// period is how often a share of the CPU is given out, in microseconds: the kernel's own default.
const period = 100_000

// setting is a file of a group and what is written to it.
type setting struct {
	file, value string
	must        bool // without it the limit is not kept
}

// settings2 are those of version 2.
func (l Limits) settings2() (list []setting) {
	if l.Memory > 0 {
		list = append(list, setting{"memory.max", strconv.FormatUint(l.Memory, 10), true},
			setting{"memory.swap.max", "0", false}, // else what is over the limit goes there
			setting{"memory.oom.group", "1", false})
	}
	if l.CPU > 0 {
		list = append(list, setting{"cpu.max", quota(l.CPU) + " " + strconv.Itoa(period), true})
	}
	return list
}

// settings1 are those of one controller of version 1.
func (l Limits) settings1(controller string) []setting {
	if controller == memory {
		bytes := strconv.FormatUint(l.Memory, 10)
		return []setting{{"memory.limit_in_bytes", bytes, true}, {"memory.memsw.limit_in_bytes", bytes, false}}
	}
	return []setting{{"cpu.cfs_period_us", strconv.Itoa(period), true}, {"cpu.cfs_quota_us", quota(l.CPU), true}}
}

// quota is a share of the CPU in microseconds of each period; the kernel wants a
// thousand at least.
func quota(cpus float64) string { return strconv.Itoa(max(1000, int(cpus*period))) }

// place is where this process stands in a hierarchy of groups.
type place struct {
	top string // where the hierarchy is mounted
	own string // this process's group in it
}

// hierarchies are those of the system.
type hierarchies struct {
	v1 map[string]place // by controller
	v2 place            // zero for none
}

// parse reads /proc/self/cgroup and /proc/self/mountinfo.
func parse(cgroup, mounts string) hierarchies {
	h := hierarchies{v1: map[string]place{}}
	paths := map[string]string{} // by controller, "" for version 2
	for line := range strings.Lines(cgroup) {
		if parts := strings.SplitN(strings.TrimSpace(line), ":", 3); len(parts) == 3 {
			for c := range strings.SplitSeq(parts[1], ",") {
				paths[c] = parts[2]
			}
		}
	}
	for line := range strings.Lines(mounts) {
		left, right, ok := strings.Cut(line, " - ")
		at, what := strings.Fields(left), strings.Fields(right)
		if !ok || len(at) < 5 || len(what) < 3 {
			continue
		}
		root, point := at[3], unescape(at[4])
		put := func(controller string) (p place, ok bool) {
			path, ok := paths[controller]
			rel, err := filepath.Rel(root, path)
			if !ok || err != nil || !filepath.IsLocal(rel) { // of another namespace
				return p, false
			}
			return place{top: point, own: filepath.Join(point, rel)}, true
		}
		switch what[0] {
		case "cgroup2":
			if p, ok := put(""); ok && h.v2 == (place{}) {
				h.v2 = p
			}
		case "cgroup":
			for _, c := range []string{memory, cpu} {
				if p, ok := put(c); ok && slices.Contains(strings.Split(what[2], ","), c) {
					h.v1[c] = p
				}
			}
		}
	}
	return h
}

// unescape undoes what mountinfo does to blanks.
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

// counted finds the number after a word in a file of lines "word number".
func counted(text, word string) int {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, word+" "); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(rest))
			return n
		}
	}
	return 0
}
