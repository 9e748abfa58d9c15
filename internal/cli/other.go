package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/machine"
	"github.com/tendproc/tend/internal/pm2"
)

var otherVerbs = []verb{
	{
		use: "init [simple]", aliases: []string{"ecosystem"}, short: "Write an ecosystem.config.js to begin with", most: 1,
		topics: []topic{acting, general}, run: runInit,
		long: "Into this folder. One that is there stays, if --force does not say otherwise.",
		example: `tend init
tend init simple --force`,
	},
	{
		use: "reloadLogs", aliases: []string{"reload-logs"}, short: "Open the log files anew", most: 0,
		topics: []topic{general}, run: pm2ReloadLogs,
		long:    "For programs that rotate them by another name. The daemon does the same at SIGUSR2.",
		example: `mv web-out.log web-out.1.log && tend reloadLogs`,
	},
	{
		use: "report", short: "Print what helps to find a fault", most: 0,
		topics: []topic{general}, run: runReport, asks: true,
		long:    "Versions, home, machine, the processes and how they fare, and the last lines of the daemon's log. No environment is in it.",
		example: `tend report >report.txt`,
	},
	{
		use: "slist", aliases: []string{"sysinfos"}, short: "Print what is known of the machine", most: 0,
		topics: []topic{general}, run: pm2Slist, asks: true,
		long:    "CPUs, load and memory, in PM2's form.",
		example: `tend slist --json`,
	},
}

func runInit(_ context.Context, c *command, o operands) error {
	text := strings.Replace(fullConfig, "pm2 start", "tend start", 1)
	if len(o.args) > 0 {
		if o.args[0] != "simple" {
			return &fault.Error{Code: fault.Invalid, Message: "does not know " + clean(o.args[0]), Remedy: "Usage: tend init [simple]"}
		}
		text = simpleConfig
	}
	path := filepath.Join(c.Cwd, defaultConfig)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) && !c.values.on("force") {
		return &fault.Error{Code: fault.Conflict, Message: path + " is there already", Err: err, Remedy: "Nothing was changed; --force writes over it."}
	}
	if err := pm2.Replace(path, []byte(text)); err != nil {
		return writeFault(path, err)
	}
	c.done("%s is written; now: tend start", path)
	return nil
}

// reportLines is how much of the daemon's log a report has.
const reportLines = 20

// reported is what report tells.
type reported struct {
	Version   string      `json:"version"`
	Daemon    event.Info  `json:"daemon"`
	System    string      `json:"system"`
	Machine   *pm2.Object `json:"machine"`
	Processes []process   `json:"processes"`
	Log       []string    `json:"log"`

	measures []machine.Measure // that Machine has
}

type process struct {
	ID       int    `json:"id"`
	App      string `json:"app"`
	Status   string `json:"status"`
	Restarts int    `json:"restarts"`
	Failures int    `json:"short_lives"`
	Reason   string `json:"reason,omitempty"`
}

func runReport(ctx context.Context, c *command, _ operands) error {
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	r := reported{
		Version: c.Version, System: runtime.GOOS + " " + runtime.GOARCH, Machine: &pm2.Object{},
		Processes: []process{}, Log: []string{},
	}
	for _, m := range machine.Measures(ctx) {
		if m.Value == machine.Unknown {
			continue
		}
		r.Machine.Set(m.Name, m.Value)
		r.measures = append(r.measures, m)
	}
	if r.Daemon, err = svc.Ping(ctx); err != nil {
		return err
	}
	snap, err := svc.List(ctx, event.Query{Brief: true})
	if err != nil {
		return err
	}
	for _, in := range snap.Instances {
		r.Processes = append(r.Processes, process{in.ID, in.App, status(in), in.Restarts, in.Unstable, in.Reason})
	}
	if text, err := os.ReadFile(filepath.Join(r.Daemon.Home, "tend.log")); err == nil {
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		r.Log = lines[max(0, len(lines)-reportLines):]
	}
	if c.values.on("json") {
		return c.json(r)
	}
	c.printReport(r)
	return nil
}

func (c *command) printReport(r reported) {
	facts := []fact{
		{"tend", r.Version},
		{"daemon", r.Daemon.Version + ", pid " + strconv.Itoa(r.Daemon.PID) + ", keeper " + strconv.Itoa(r.Daemon.KeeperPID)},
		{"since", r.Daemon.StartedAt.Format("2006-01-02 15:04:05")},
		{"home", r.Daemon.Home},
		{"system", r.System},
		{"processes", strconv.Itoa(len(r.Processes))},
	}
	for _, m := range r.measures {
		value := strings.TrimSpace(fmt.Sprint(m.Value) + " " + m.Unit)
		if bytes, ok := m.Value.(uint64); ok && m.Unit == "b" {
			value = size(bytes)
		}
		facts = append(facts, fact{m.Name, value})
	}
	widest := 0
	for _, f := range facts {
		widest = max(widest, width(f.key))
	}
	for _, f := range facts {
		c.data("%-*s  %s\n", widest, f.key, clean(f.value))
	}
	slices.SortStableFunc(r.Processes, func(a, b process) int { return a.ID - b.ID })
	for _, p := range r.Processes {
		c.data("  %d %s: %s, %s, %s%s\n", p.ID, clean(p.App), p.Status, count(p.Restarts, "restart"), strconv.Itoa(p.Failures)+" short lives", prefixed(": ", clean(p.Reason)))
	}
	c.data("the last lines of tend.log\n")
	for _, line := range r.Log {
		c.data("  %s\n", clean(line))
	}
}

// prefixed is text with something before it, if it is not empty.
func prefixed(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}
