package runner

import (
	"fmt"

	"github.com/tendproc/tend/internal/cgroup"
	"github.com/tendproc/tend/internal/fault"
)

// groupName is what the group of the life is called.
func (l *life) groupName() string { return fmt.Sprintf("%d.%d", l.spawn.Key.ID, l.spawn.Key.Gen) }

// limit makes the group that the process starts in, if its app has limits.
func (l *life) limit() (err error) {
	app := l.spawn.App
	limits := cgroup.Limits{Memory: app.MemoryLimit, CPU: app.CPULimit}
	if limits == (cgroup.Limits{}) {
		return nil
	}
	if l.r.options.Groups == nil {
		return &fault.Error{Code: fault.Unsupported, Op: "spawn " + app.Name, Field: "--memory-limit", Message: "there are no control groups"}
	}
	l.group, err = l.r.options.Groups.Make(l.groupName(), limits)
	return err
}

// unlimit is for when nothing of the process is left.
func (l *life) unlimit() {
	l.group.Remove()
	l.group = nil
}
