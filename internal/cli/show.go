package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/spec"
)

// shown is the JSON form of show.
type shown struct {
	App       *event.App       `json:"app"`
	Instances []event.Instance `json:"instances"`
}

func runShow(ctx context.Context, c *command, o operands) error {
	word := o.args[0]
	c.verb = "show " + clean(word)
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	snap, err := svc.List(ctx, event.Query{Usage: true})
	if err != nil {
		return err
	}
	found := named(snap, word)
	if len(found) == 0 {
		return unknownApp(snap, word)
	}
	app := appOf(snap, found[0])
	if c.values.on("json") {
		return c.json(shown{App: app, Instances: found})
	}
	if c.silent {
		return nil
	}
	if app != nil {
		c.section(clean(app.Spec.Name), appFacts(app))
	}
	for _, in := range found {
		title := fmt.Sprintf("id %d  %s", in.ID, c.paint(statusStyle(in.Phase), status(in)))
		c.section(title, instanceFacts(in, snap.At))
	}
	return nil
}

// fact is a line of show; one without a value is left out.
type fact struct{ key, value string }

func (c *command) section(title string, facts []fact) {
	c.data("%s\n", c.paint(bold, title))
	for _, f := range facts {
		if f.value == "" {
			continue
		}
		key := fmt.Sprintf("%-14s", f.key)
		for i, line := range strings.Split(f.value, "\n") {
			if i > 0 {
				key = strings.Repeat(" ", 14)
			}
			c.data("  %s %s\n", c.paint(dim, key), clean(line))
		}
	}
	c.data("\n")
}

func appFacts(app *event.App) []fact {
	a := app.Spec
	mode := string(a.Mode)
	if a.Mode == spec.Cluster {
		mode = "cluster, " + count(a.Instances, "instance")
		if a.Standby > 0 {
			mode += fmt.Sprintf(" and %d on standby", a.Standby)
		}
		mode += ", scheduler " + string(a.Scheduler)
	} else if a.Instances > 1 {
		mode = fmt.Sprintf("fork, %s", count(a.Instances, "instance"))
	}
	return []fact{
		{"script", a.Script},
		{"interpreter", strings.Join(append([]string{a.Interpreter}, a.InterpreterArgs...), " ")},
		{"arguments", quoted(a.Args)},
		{"version", a.Version},
		{"namespace", a.Namespace},
		{"mode", mode},
		{"listens on", strings.Join(app.Listening, "\n")},
		{"folder", a.Cwd},
		{"user", identity(a)},
		{"limits", limits(a)},
		{"depends on", dependencies(a)},
		{"restarts", restartPolicy(a)},
		{"at times", a.Cron},
		{"watches", watchPolicy(a)},
		{"stops by", stopPolicy(a)},
		{"ready when", readyPolicy(a)},
	}
}

func identity(a spec.App) string {
	var parts []string
	if a.UID != nil {
		parts = append(parts, "uid "+strconv.Itoa(*a.UID))
	}
	if a.GID != nil {
		parts = append(parts, "gid "+strconv.Itoa(*a.GID))
	}
	return strings.Join(parts, ", ")
}

func restartPolicy(a spec.App) string {
	if !a.Autorestart {
		return "never by itself"
	}
	text := fmt.Sprintf("given up after %d lives below %s in a row", a.MaxRestarts, a.MinUptime)
	if a.RestartDelay > 0 {
		text += fmt.Sprintf(", %s between", a.RestartDelay)
	}
	if a.Backoff > 0 {
		text += fmt.Sprintf(", growing pauses from %s", a.Backoff)
	}
	if len(a.StopExitCodes) > 0 {
		text += fmt.Sprintf(", not after exit code %s", strings.Trim(fmt.Sprint(a.StopExitCodes), "[]"))
	}
	return text
}

func limits(a spec.App) string {
	var parts []string
	if a.MemoryLimit > 0 {
		parts = append(parts, size(a.MemoryLimit)+" of memory")
	}
	if a.CPULimit > 0 {
		parts = append(parts, strconv.FormatFloat(a.CPULimit, 'g', -1, 64)+" CPUs")
	}
	return strings.Join(parts, ", ")
}

func dependencies(a spec.App) string {
	var words []string
	for _, d := range a.DependsOn {
		words = append(words, d.App+" "+string(d.Until))
	}
	return strings.Join(words, ", ")
}

func watchPolicy(a spec.App) string {
	w := a.Watch
	if !w.On {
		return ""
	}
	text := strings.Join(w.Paths, "\n")
	if text == "" {
		text = a.Cwd
	}
	if len(w.Ext) > 0 {
		text += "\nonly " + strings.Join(w.Ext, ", ")
	}
	if w.Ignore != nil {
		text += "\nbut " + strings.Join(*w.Ignore, ", ")
	}
	return text
}

func stopPolicy(a spec.App) string {
	how := a.StopSignal
	if a.StopMessage {
		how = `message "shutdown"`
	}
	whom := " to the process tree"
	if !a.TreeKill {
		whom = " to the process"
	}
	return fmt.Sprintf("%s%s, SIGKILL after %s", how, whom, a.KillTimeout)
}

func readyPolicy(a spec.App) string {
	switch {
	case a.WaitReady && a.Probe != "":
		return fmt.Sprintf(`it says so ("ready", READY=1), and then %s succeeds, within %s`, a.Probe, a.ListenTimeout)
	case a.WaitReady:
		return fmt.Sprintf(`it says so ("ready", READY=1), within %s`, a.ListenTimeout)
	case a.Probe != "":
		return fmt.Sprintf("%s succeeds, within %s", a.Probe, a.ListenTimeout)
	case a.Mode == spec.Cluster:
		return fmt.Sprintf("it listens, within %s", a.ListenTimeout)
	}
	return ""
}

func instanceFacts(in event.Instance, now time.Time) []fact {
	facts := []fact{{"reason", in.Reason}}
	if in.PID > 0 {
		facts = append(facts, fact{"pid", strconv.Itoa(in.PID)}, fact{"uptime", age(now.Sub(in.StartedAt))})
		if in.Usage != nil {
			facts = append(facts, fact{"cpu, memory", percent(in.Usage.CPU) + ", " + size(in.Usage.RSS)})
		}
	}
	if in.Phase == lifecycle.Backoff && !in.WakeAt.IsZero() {
		facts = append(facts, fact{"starts in", in.WakeAt.Sub(now).Round(100 * time.Millisecond).String()})
	}
	if said := in.Said; said != nil {
		facts = append(facts, fact{"metrics", metrics(said.Monitor)}, fact{"actions", strings.Join(actionNames(in), ", ")})
	}
	if !in.CronAt.IsZero() {
		facts = append(facts, fact{"next time", in.CronAt.Local().Format(time.RFC3339)})
	}
	facts = append(facts, fact{"restarts", fmt.Sprintf("%d (%d short lives in a row)", in.Restarts, in.Unstable)})
	if e := in.LastExit; e != nil {
		facts = append(facts, fact{"last end", fmt.Sprintf("%s, pid %d, %s ago", howEnded(e), e.PID, age(now.Sub(e.At)))})
	}
	return append(facts,
		fact{"created", in.CreatedAt.Format(time.RFC3339)},
		fact{"output log", in.OutFile},
		fact{"error log", in.ErrorFile},
	)
}

// metric is one that a process told of itself: its value and unit.
type metric struct{ name, text string }

func metricList(monitor map[string]json.RawMessage) (list []metric) {
	for _, name := range slices.Sorted(maps.Keys(monitor)) {
		var m struct {
			Value any    `json:"value"`
			Unit  string `json:"unit"`
		}
		if json.Unmarshal(monitor[name], &m) == nil && m.Value != nil {
			list = append(list, metric{name, strings.TrimSpace(fmt.Sprintf("%v %s", m.Value, m.Unit))})
		}
	}
	return list
}

// metrics are lines of name, value and unit.
func metrics(monitor map[string]json.RawMessage) string {
	var lines []string
	for _, m := range metricList(monitor) {
		lines = append(lines, m.name+" "+m.text)
	}
	return strings.Join(lines, "\n")
}

// quoted joins words so that they can be told apart.
func quoted(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		if out[i] = w; w == "" || strings.ContainsAny(w, " \t\n'\"") {
			out[i] = strconv.Quote(w)
		}
	}
	return strings.Join(out, " ")
}
