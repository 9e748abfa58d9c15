package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/pm2"
)

// statusOf is the phase in PM2's words, which scripts and people know.
func statusOf(p lifecycle.Phase) string { return pm2.Status(p) }

// status is how far an instance is, in those words.
func status(in event.Instance) string { return pm2.OwnStatus(in) }

func statusStyle(p lifecycle.Phase) style {
	switch p {
	case lifecycle.Running:
		return green
	case lifecycle.Failed:
		return red
	case lifecycle.Stopped:
		return dim
	}
	return yellow
}

// age is a duration in its largest unit: 12s, 5m, 3h, 2d.
func age(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return strconv.Itoa(int(d/time.Second)) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	case d < 24*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	}
	return strconv.Itoa(int(d/(24*time.Hour))) + "d"
}

// size is a number of bytes with three digits that matter: 45.3 MB.
func size(bytes uint64) string {
	const unit = 1024
	if bytes < unit {
		return fmt.Sprintf("%d B", bytes)
	}
	f, i := float64(bytes)/unit, 0
	for f >= unit && i < 3 {
		f, i = f/unit, i+1
	}
	digits := 1
	if f >= 100 {
		digits = 0
	}
	return strconv.FormatFloat(f, 'f', digits, 64) + [...]string{" KB", " MB", " GB", " TB"}[i]
}

func percent(cpu float64) string {
	digits := 1
	if cpu >= 10 {
		digits = 0
	}
	return strconv.FormatFloat(cpu, 'f', digits, 64) + "%"
}

// howEnded tells an exit in words: "exit code 1", "SIGKILL".
func howEnded(e *event.Exit) string {
	if e.Signal == "" {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	if e.OutOfMemory {
		return e.Signal + " (out of memory)"
	}
	if e.Core {
		return e.Signal + " (core dumped)"
	}
	return e.Signal
}

// count is a number with its noun: "1 instance", "2 instances".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "s") {
		noun += "e"
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func contains(list []string, word string) bool {
	for _, w := range list {
		if strings.EqualFold(w, word) {
			return true
		}
	}
	return false
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
