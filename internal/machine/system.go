package machine

import (
	"bufio"
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/sys"
)

// Measure is one thing that is known of the computer.
type Measure struct {
	Name  string
	Value any
	Unit  string
}

// Unknown is the value of a measure that the system does not tell.
const Unknown = -1

// cpuTime is how long the processors are watched for how busy they are.
const cpuTime = 100 * time.Millisecond

// Measures are those of this moment, and take as long as it takes to see how busy the
// processors are. Where the system does not tell it is 0.
func Measures(ctx context.Context) []Measure {
	busy, all := processors()
	select {
	case <-time.After(cpuTime):
	case <-ctx.Done():
	}
	busyThen, allThen := processors()
	total, available := memory("MemTotal:"), memory("MemAvailable:")
	active := total - min(total, available)
	used, size := sys.DiskUse("/")
	return []Measure{
		{"CPU Usage", percentOf(busyThen-busy, allThen-all), "%"},
		{"CPU Temperature", Unknown, "°C"},
		{"RAM Usage", percentOf(active, total), "%"},
		{"RAM Total", total, "b"},
		{"RAM Available", available, "b"},
		{"RAM Active", active, "b"},
		{"CPUs", runtime.NumCPU(), ""},
		{"Load", load(), ""},
		{"fs:use:/", percentOf(used, size), "%"},
		{"fs:size:/", float64(size/1e7) / 100, "gb"},
	}
}

// percentOf has one digit after the point.
func percentOf(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part*1000/whole) / 10
}

// processors are the ticks in which they did something, and all.
func processors() (busy, all uint64) {
	for i, word := range fields("/proc/stat", "cpu") {
		ticks, _ := strconv.ParseUint(word, 10, 64) // the kernel's
		if i >= 8 {                                 // guests are within user
			break
		}
		all += ticks
		if i != 3 && i != 4 { // idle, and waiting for a disk
			busy += ticks
		}
	}
	return busy, all
}

func memory(key string) uint64 {
	words := fields("/proc/meminfo", key)
	if len(words) == 0 {
		return 0
	}
	kb, _ := strconv.ParseUint(words[0], 10, 64) // the kernel's
	return kb << 10
}

func load() float64 {
	text, _ := os.ReadFile("/proc/loadavg")
	one, _, _ := strings.Cut(string(text), " ")
	n, _ := strconv.ParseFloat(one, 64)
	return n
}

// fields are the words behind key, on the first line that begins with it.
func fields(path, key string) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if words := strings.Fields(lines.Text()); len(words) > 1 && words[0] == key {
			return words[1:]
		}
	}
	return nil
}
