package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/pm2"
	"github.com/tendproc/tend/internal/spec"
)

func pm2List(ctx context.Context, c *command, _ operands) error {
	svc, err := c.ensure(ctx)
	if err != nil || c.silent {
		return err
	}
	return listPM2(ctx, c, svc)
}

// listPM2 prints the table of everything with PM2's columns, or its plain blocks.
func listPM2(ctx context.Context, c *command, svc api.Service) error {
	mini := c.values.on("mini-list")
	snap, err := svc.List(ctx, event.Query{Usage: true, Brief: true, Specs: mini, Table: !mini})
	if err != nil {
		return err
	}
	list := snap.Instances
	if mini {
		for _, in := range list {
			c.data("%s", pm2Block(in, snap.At))
		}
		return nil
	}
	byWhat, err := c.order()
	if err != nil {
		return err
	}
	slices.SortStableFunc(list, byWhat)
	list, modules := modulesOf(list)
	t := &table{rows: len(list), corners: "┌┐└┘"}
	for i, title := range []string{"id", "name", "namespace", "version", "mode", "pid", "uptime", "↺", "status", "cpu", "mem", "user", "watching"} {
		t.columns = append(t.columns, column{title: title, drop: [...]int{0, 0, 9, 10, 6, 5, 2, 1, 0, 4, 3, 7, 8}[i]})
	}
	for _, in := range list {
		for i, text := range pm2Row(in, snap.At) {
			shade := style("")
			if i == 8 {
				shade = statusStyle(in.Phase)
			}
			t.columns[i].cells = append(t.columns[i].cells, cell{text, shade})
		}
	}
	c.data("%s", t.draw(c.room(), c.paint))
	if len(modules) > 0 {
		c.data("%s\n%s", c.paint(bold, moduleTitle(len(modules))), pm2Modules(modules, snap.At).draw(c.room(), c.paint))
	}
	return nil
}

// pm2Modules is PM2's table of modules.
func pm2Modules(list []event.Instance, now time.Time) *table {
	t := &table{rows: len(list), corners: "┌┐└┘"}
	from := []int{0, 1, 3, 5, 8, 7, 9, 10, 11} // of a row of the other table
	for _, title := range []string{"id", "module", "version", "pid", "status", "↺", "cpu", "mem", "user"} {
		t.columns = append(t.columns, column{title: title})
	}
	for _, in := range list {
		row := pm2Row(in, now)
		for i := range t.columns {
			shade := style("")
			if from[i] == 8 {
				shade = statusStyle(in.Phase)
			}
			t.columns[i].cells = append(t.columns[i].cells, cell{row[from[i]], shade})
		}
	}
	return t
}

func pm2Row(in event.Instance, now time.Time) []string {
	uptime := "0"
	if in.PID > 0 {
		uptime = age(now.Sub(in.StartedAt))
	}
	u, watching := usage(in), "disabled"
	if in.Watch {
		watching = "enabled"
	}
	return []string{
		strconv.Itoa(in.ID), clean(in.App), clean(in.Namespace), clean(cmp.Or(in.Version, "N/A")), string(in.Mode), strconv.Itoa(in.PID), uptime,
		strconv.Itoa(in.Restarts), statusOf(in.Phase), strconv.FormatFloat(math.Round(u.CPU*10)/10, 'f', -1, 64) + "%", pm2Size(u.RSS), clean(in.User), watching,
	}
}

// pm2Size is a number of bytes as PM2 writes it: 45.3mb.
func pm2Size(bytes uint64) string {
	f, i := float64(bytes), 0
	for f >= 1024 && i < 4 {
		f, i = f/1024, i+1
	}
	return strings.TrimSuffix(strconv.FormatFloat(f, 'f', 1, 64), ".0") + []string{"b", "kb", "mb", "gb", "tb"}[i]
}

// pm2Block is PM2's form for machines without a wide screen.
func pm2Block(in event.Instance, now time.Time) string {
	row := pm2Row(in, now)
	watching, pidFile := "no", ""
	if row[12] == "enabled" {
		watching = "yes"
	}
	if in.Spec != nil {
		pidFile = in.Spec.PIDPath(in.ID)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "+--- %s\n", clean(in.App))
	for _, kv := range [][2]string{
		{"namespace", row[2]},
		{"version", row[3]},
		{"pid", row[5]},
		{"pm2 id", row[0]},
		{"status", row[8]},
		{"mode", row[4]},
		{"restarted", row[7]},
		{"uptime", row[6]},
		{"memory usage", row[10] + " "},
		{"error log", clean(in.ErrorFile)},
		{"watching", watching},
		{"PID file", clean(pidFile)},
	} {
		fmt.Fprintf(&b, "%s : %s\n", kv[0], kv[1])
	}
	return b.String() + "\n"
}

func pm2Jlist(ctx context.Context, c *command, _ operands) error { return c.jlist(ctx, api.PM2Form) }

func pm2Prettylist(ctx context.Context, c *command, _ operands) error {
	snap, err := c.list(ctx, event.Query{Usage: true, Brief: true, Specs: true})
	if err != nil {
		return err
	}
	var list []any
	for _, in := range snap.Instances {
		if in.Spec != nil {
			list = append(list, pm2.Record(in, *in.Spec))
		}
	}
	c.data("%s", pm2.Inspect(list))
	return nil
}

func pm2Describe(ctx context.Context, c *command, o operands) error {
	c.verb = "describe " + clean(o.args[0])
	snap, err := c.list(ctx, event.Query{Usage: true, Brief: true, Specs: true})
	if err != nil {
		return err
	}
	found := named(snap, o.args[0])
	if len(found) == 0 {
		return unknownApp(snap, o.args[0])
	}
	for _, in := range found {
		if in.Spec != nil && !c.silent {
			c.data("%s\n", c.paint(bold, fmt.Sprintf("Process %d, %s", in.ID, clean(in.App))))
			c.facts(pm2Facts(in, *in.Spec, snap.At))
			c.facts(pm2Said(in))
		}
	}
	return nil
}

// facts prints keys and values as a table.
func (c *command) facts(list []fact) {
	if len(list) == 0 {
		return
	}
	keys, values := 0, 0
	for _, f := range list {
		keys, values = max(keys, width(clean(f.key))), max(values, width(clean(f.value)))
	}
	rule := func(left, middle, right string) {
		c.data("%s%s%s%s%s\n", left, strings.Repeat("─", keys+2), middle, strings.Repeat("─", values+2), right)
	}
	rule("┌", "┬", "┐")
	for _, f := range list {
		plain := func(_ style, text string) string { return text }
		c.data("│ %s │ %s │\n", pad(cell{clean(f.key), ""}, keys, false, plain), pad(cell{clean(f.value), ""}, values, false, plain))
	}
	rule("└", "┴", "┘")
}

func pm2Facts(in event.Instance, a spec.App, now time.Time) []fact {
	env := pm2.Env(in, a)
	text := func(key string) string {
		switch v := env.Get(key).(type) {
		case nil:
			return "N/A"
		case []string:
			return cmp.Or(strings.Join(v, " "), "N/A")
		default:
			return fmt.Sprint(v)
		}
	}
	uptime, watch := "0", "✘"
	if in.PID > 0 {
		uptime = age(now.Sub(in.StartedAt))
	}
	if env.Get("watch") != false {
		watch = "✔"
	}
	return []fact{
		{"status", text("status")},
		{"name", in.App},
		{"namespace", in.Namespace},
		{"version", text("version")},
		{"restarts", text("restart_time")},
		{"uptime", uptime},
		{"script path", text("pm_exec_path")},
		{"script args", text("args")},
		{"error log path", text("pm_err_log_path")},
		{"out log path", text("pm_out_log_path")},
		{"pid path", text("pm_pid_path")},
		{"interpreter", text("exec_interpreter")},
		{"interpreter args", text("node_args")},
		{"script id", text("pm_id")},
		{"exec cwd", text("pm_cwd")},
		{"exec mode", text("exec_mode")},
		{"node.js version", text("node_version")},
		{"node env", cmp.Or(a.Env["NODE_ENV"], "N/A")},
		{"watch & reload", watch},
		{"unstable restarts", text("unstable_restarts")},
		{"created at", in.CreatedAt.UTC().Format(javaScriptTime)},
	}
}

// pm2Said are the metrics and actions that the process told of.
func pm2Said(in event.Instance) (facts []fact) {
	if in.Said == nil {
		return nil
	}
	for _, m := range metricList(in.Said.Monitor) {
		facts = append(facts, fact{m.name, m.text})
	}
	if names := actionNames(in); len(names) > 0 {
		facts = append(facts, fact{"actions", strings.Join(names, ", ")})
	}
	return facts
}

// pm2Env knows ids only.
func pm2Env(ctx context.Context, c *command, o operands) error {
	c.verb = "env " + clean(o.args[0])
	snap, err := c.list(ctx, event.Query{Brief: true, Specs: true})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(snap.Instances, func(in event.Instance) bool { return strconv.Itoa(in.ID) == o.args[0] })
	if i < 0 || snap.Instances[i].Spec == nil {
		return &fault.Error{Code: fault.NotFound, Message: "no process has the id " + clean(o.args[0]), Remedy: "pm2 ls shows the ids."}
	}
	in := snap.Instances[i]
	told := pm2.Env(in, *in.Spec)
	keys := slices.Sorted(maps.Keys(in.Spec.Env))
	keys = append(keys, "version", in.Spec.InstanceVar, "vizion_running", "km_link", "namespace")
	for _, key := range keys {
		if v := told.Get(key); v != nil {
			c.data("%s: %v\n", key, v)
		}
	}
	return nil
}

// pm2Pid prints at least a line.
func pm2Pid(ctx context.Context, c *command, o operands) error {
	snap, err := c.list(ctx, event.Query{Brief: true})
	if err != nil {
		return err
	}
	var pids []string
	for _, in := range snap.Instances {
		if in.PID > 0 && (len(o.args) == 0 || in.App == o.args[0]) {
			pids = append(pids, strconv.Itoa(in.PID))
		}
	}
	c.data("%s\n", strings.Join(pids, "\n"))
	return nil
}

// pm2Logs takes an unknown target for one that may come.
func pm2Logs(ctx context.Context, c *command, o operands) error {
	if len(o.args) > 1 {
		o.args = o.args[:1]
	}
	err := runLogs(ctx, c, o)
	if fault.CodeOf(err) == fault.NotFound && c.values.on("nostream") {
		return nil
	}
	return err
}

func pm2Flush(ctx context.Context, c *command, o operands) error {
	if len(o.args) > 1 {
		o.args = o.args[:1]
	}
	if len(o.args) == 0 {
		if err := c.home.FlushLog(); err != nil {
			return err
		}
	}
	err := runFlush(ctx, c, o)
	if fault.CodeOf(err) == fault.NotFound {
		c.done("nothing is called %s, so nothing is emptied", clean(o.args[0]))
		return nil
	}
	return err
}
