package rig

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CPU is the processor time of all threads of the processes, from the
// scheduler's counters (nanoseconds, not ticks).
func CPU(pids ...int) (total time.Duration, err error) {
	for _, pid := range pids {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		if err != nil || len(tasks) == 0 {
			return 0, fmt.Errorf("process %d is gone", pid)
		}
		for _, task := range tasks {
			text, err := os.ReadFile(task)
			if err != nil {
				continue // the thread ended
			}
			ran, _, _ := bytes.Cut(text, []byte(" "))
			ns, err := strconv.ParseInt(string(ran), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", task, err)
			}
			total += time.Duration(ns)
		}
	}
	return total, nil
}

// Switches is how often the threads of the processes went to sleep: an idle
// process that polls shows here.
func Switches(pids ...int) (total int) {
	for _, pid := range pids {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
		for _, task := range tasks {
			total += field(task, "voluntary_ctxt_switches")
		}
	}
	return total
}

// Memory is the resident memory of the processes in MB, and what of it is not
// file pages.
func Memory(pids ...int) (rss, anon float64) {
	for _, pid := range pids {
		status := fmt.Sprintf("/proc/%d/status", pid)
		rss += float64(field(status, "VmRSS")) / 1024
		anon += float64(field(status, "RssAnon")) / 1024
	}
	return rss, anon
}

// Descriptors is how many a process has open.
func Descriptors(pid int) int {
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0
	}
	n := 0
	for _, e := range list {
		// The Go runtime of a daemon looks at these now and then.
		to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, e.Name()))
		if !strings.HasPrefix(to, "/proc/") && !strings.HasPrefix(to, "/sys/fs/cgroup/") {
			n++
		}
	}
	return n
}

// field reads a number of a status file; 0 if it is not there.
func field(path, name string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+":"); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(value, "kB")))
			return n
		}
	}
	return 0
}

// Series are measurements of one thing.
type Series []float64

// Median is the middle one, NaN-free: 0 when empty.
func (s Series) Median() float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

// Over divides measurement by measurement: both were taken in the same round.
func (s Series) Over(base Series) (ratios Series) {
	for i := range s {
		if i < len(base) && base[i] > 0 {
			ratios = append(ratios, s[i]/base[i])
		}
	}
	return ratios
}

// Range is "median [min–max]".
func (s Series) Range(format string) string {
	if len(s) == 0 {
		return "–"
	}
	f := format + " [" + format + "–" + format + "]"
	return fmt.Sprintf(f, s.Median(), slices.Min(s), slices.Max(s))
}
