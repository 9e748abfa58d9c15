package cli

import (
	"context"
	"path/filepath"
	"time"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/pm2"
	"github.com/tendproc/tend/internal/spec"
)

// profileTime is how long a profile takes, as PM2's.
const profileTime = 10 * time.Second

var profileVerbs = []verb{
	{
		use: "profile:cpu [TIME]", short: "Measure what the daemon uses the CPU for", most: 1,
		topics: []topic{general}, run: runProfile("cpu", profileTime),
		long: `For TIME, 10s where none is given: milliseconds, or with a unit. The profile is
written into this folder; go tool pprof reads it. It is of the daemon itself, for
reports of its faults. An app of Node is looked into by tend inspect.`,
		example: `tend profile:cpu 30s
go tool pprof -top Fr-15-04-05.cpu.pprof`,
	},
	{
		use: "profile:mem [TIME]", short: "Write what the daemon holds in memory", most: 1,
		topics: []topic{general}, run: runProfile("mem", 0),
		long:    "After TIME, at once where none is given; in the same form.",
		example: `tend profile:mem`,
	},
}

var pm2ProfileVerbs = []verb{
	{
		use: "profile:cpu [TIME]", short: "measure what the daemon uses the CPU for", most: -1,
		topics: []topic{general}, run: runProfile("cpu", profileTime),
	},
	{
		use: "profile:mem [TIME]", short: "write what the daemon holds in memory", most: -1,
		topics: []topic{general}, run: runProfile("mem", profileTime),
	},
}

// runProfile writes a profile of the daemon into the caller's folder, for as long as
// is given or usual.
func runProfile(kind string, usual time.Duration) func(context.Context, *command, operands) error {
	return func(ctx context.Context, c *command, o operands) error {
		length := usual
		if len(o.args) > 0 {
			d, err := spec.Duration(o.args[0])
			if err != nil || d < 0 || d > time.Hour {
				return &fault.Error{Code: fault.Invalid, Field: "TIME", Message: clean(o.args[0]) + " is not a time of at most an hour", Remedy: "Give milliseconds, or a unit as in 10s."}
			}
			length = d
		}
		svc, err := c.ensure(ctx)
		if err != nil {
			return err
		}
		told := func() {}
		if length > 0 {
			told = after(sentence, func() { c.say("Profiling the daemon for %v …\n", length) })
		}
		profile, err := svc.Profile(ctx, api.ProfileRequest{Kind: kind, For: length})
		told()
		if err != nil {
			return err
		}
		now := time.Now()
		path := filepath.Join(c.Cwd, now.Weekday().String()[:2]+now.Format("-15-04-05.")+kind+".pprof")
		if err := pm2.Replace(path, profile.Data); err != nil {
			return writeFault(path, err)
		}
		if c.values.on("json") {
			return c.json(map[string]string{"file": path})
		}
		c.done("%s is written; to read it: go tool pprof -top %s", path, shellQuote(path))
		return nil
	}
}
