package spec

import (
	"slices"
	"strings"

	"github.com/tendproc/tend/internal/cron"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/glob"
)

// applyWatch is about the files for which the app is restarted.
func (a *App) applyWatch(m Machine, o Options) error {
	w := &a.Watch
	if o.ToggleWatch {
		w.On = !w.On
	}
	if o.Watch != nil {
		w.On = *o.Watch
	}
	if o.WatchPaths != nil {
		w.Paths = nil
		for _, p := range list(o.WatchPaths) {
			if err := checkPattern("--watch", p); err != nil {
				return err
			}
			w.Paths = append(w.Paths, absolute(m, a.Cwd, p))
		}
	}
	if o.IgnoreWatch != nil {
		if w.Ignore = nil; !slices.Equal(*o.IgnoreWatch, []string{"null"}) {
			own := list(o.IgnoreWatch)
			w.Ignore = &own
		}
		for _, p := range list(o.IgnoreWatch) {
			if err := checkPattern("--ignore-watch", p); err != nil {
				return err
			}
		}
	}
	if o.WatchExt != nil {
		w.Ext = nil
		for _, e := range list(o.WatchExt) {
			if e = strings.TrimLeft(e, "*."); e != "" {
				w.Ext = append(w.Ext, "."+e)
			}
		}
	}
	if o.WatchLinks != nil {
		w.NoLinks = !*o.WatchLinks
	}
	return duration("--watch-delay", o.WatchDelay, &w.Delay, 0)
}

func checkPattern(field, pattern string) error {
	if pattern != "" && !strings.Contains(pattern, "\x00") && glob.Valid(pattern) {
		return nil
	}
	return &fault.Error{
		Code: fault.Invalid, Field: field, Message: "not a path or pattern: " + printable(pattern),
		Remedy: "Patterns know * within a name, ** over folders, [a-z] and {a,b}.",
	}
}

// applyCron is about the times at which the app is restarted.
func (a *App) applyCron(_ Machine, o Options) error {
	if o.Cron == nil {
		return nil
	}
	pattern := strings.TrimSpace(text(o.Cron))
	if pattern == "0" {
		pattern = ""
	}
	if a.Cron = pattern; pattern == "" {
		return nil
	}
	if err := cron.Check(pattern); err != nil {
		return &fault.Error{
			Code: fault.Invalid, Field: "--cron-restart", Message: printable(pattern) + ": " + err.Error(),
			Remedy: `Give minute, hour, day of month, month and day of week, as in "30 3 * * *", or seconds before them; 0 for none.`,
		}
	}
	return nil
}
