package logs

import (
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/proctest"
)

const benchLines = 500_000

// BenchmarkOutput has a process write half a million lines of 100 bytes, each
// with its own write, or 64 KiB at a time. cpu-ms is what this process, the
// reader, spent on it.
func BenchmarkOutput(b *testing.B) {
	for _, bench := range []struct {
		name   string
		args   []string
		target Target
	}{
		{"each", []string{strconv.Itoa(benchLines)}, Target{}},
		{"each/stamped", []string{strconv.Itoa(benchLines)}, Target{Stamp: "YYYY-MM-DD HH:mm:ss.SSS"}},
		{"64k", []string{strconv.Itoa(benchLines), "64k"}, Target{}},
		{"64k/stamped", []string{strconv.Itoa(benchLines), "64k"}, Target{Stamp: "YYYY-MM-DD HH:mm:ss.SSS"}},
		{"each/raw", []string{strconv.Itoa(benchLines)}, Target{Raw: true}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s := newStore(b, nil)
			bench.target.App, bench.target.Name = "a", "out"
			st := open(b, s, bench.target)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			cpu := cpuTime(b)
			for range b.N {
				run(b, st, bench.args)
			}
			cpu = cpuTime(b) - cpu
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(cpu.Milliseconds())/float64(b.N), "cpu-ms/op")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N)/benchLines, "allocs/line")
			s.Flush(st.Target())
		})
	}
}

func run(b *testing.B, st *Stream, args []string) {
	p := pipe(b, st, new(Tail))
	cmd := proctest.Command("writer", args...)
	cmd.Stdout = p.ChildEnd
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	p.ChildEnd.Close()
	<-p.Done()
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// The benchmark's writer, once as a test: 20,000 lines arrive whole, promptly
// and without an allocation for each.
func TestABusyWriterCostsNoAllocationPerLine(t *testing.T) {
	s := newStore(t, nil)
	st := open(t, s, Target{App: "a", Name: "out", Stamp: "HH:mm:ss.SSS"})
	p := pipe(t, st, new(Tail))
	cmd := proctest.Command("writer", "20000")
	cmd.Stdout = p.ChildEnd
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.ChildEnd.Close()
	<-p.Done()
	runtime.ReadMemStats(&after)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := len(content(t, logPath(s, "a-out.log"))); got != 20000*(100+len("00:00:00.000: ")) {
		t.Errorf("%d bytes on file", got)
	}
	if n := after.Mallocs - before.Mallocs; n > 5000 {
		t.Errorf("%d allocations for 20000 lines", n)
	}
}

// A line of a slow writer is there within a few milliseconds: it is neither
// held for company nor napped over.
func TestSlowLinesArePrompt(t *testing.T) {
	s := newStore(t, nil)
	st := open(t, s, Target{App: "a", Name: "out"})
	p := pipe(t, st, nil)
	var worst []time.Duration
	sent := make(chan time.Time, 1)
	answered := make(chan struct{})
	go func() {
		tick := time.NewTicker(15 * time.Millisecond)
		defer tick.Stop()
		defer p.ChildEnd.Close()
		eventually(t, "someone follows", func() bool { return st.followers.Load() != nil })
		for range 30 {
			<-tick.C
			sent <- time.Now()
			p.ChildEnd.WriteString("x\n")
			<-answered
		}
	}()
	collect(t, s, Request{Targets: []Target{st.Target()}, Follow: true}, func(got []event.LogLine) bool {
		worst = append(worst, time.Since(<-sent))
		answered <- struct{}{}
		return len(got) == 30
	})
	<-p.Done()
	late := 0
	for _, d := range worst {
		if d > 5*time.Millisecond {
			late++
		}
	}
	if late > len(worst)/2 { // a loaded machine delays some, not most
		t.Errorf("%d of %d lines came late: %v", late, len(worst), worst)
	}
}
