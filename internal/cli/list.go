package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/spec"
)

func runList(ctx context.Context, c *command, _ operands) error {
	if _, err := c.order(); err != nil {
		return err
	}
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	if c.values.on("json") {
		snap, err := svc.List(ctx, event.Query{Usage: true})
		if err != nil {
			return err
		}
		return c.json(snap)
	}
	if c.silent {
		return nil
	}
	return listOwn(ctx, c, svc)
}

// runJlist prints what the daemon tells: nothing is decoded here.
func runJlist(ctx context.Context, c *command, _ operands) error { return c.jlist(ctx, api.OwnForm) }

func (c *command) jlist(ctx context.Context, form api.Form) error {
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	text, err := svc.Jlist(ctx, form)
	if err == nil {
		_, err = c.Out.Write(text)
	}
	return err
}

// listOwn prints the table of everything.
func listOwn(ctx context.Context, c *command, svc api.Service) error {
	snap, err := svc.List(ctx, event.Query{Usage: true, Brief: true, Table: !c.values.on("mini-list")})
	if err != nil {
		return err
	}
	return c.printList(snap)
}

// printList prints the processes as a table or, with --mini-list, as blocks.
func (c *command) printList(snap event.Snapshot) error {
	byWhat, err := c.order()
	if err != nil {
		return err
	}
	list := slices.Clone(snap.Instances)
	slices.SortStableFunc(list, byWhat)
	if c.values.on("mini-list") {
		for _, in := range list {
			c.data("%s", miniBlock(in, snap.At))
		}
		return nil
	}
	apps, modules := modulesOf(list)
	switch {
	case len(apps) == 0 && c.Terminal:
		c.data("No apps yet. Start one: tend start app.js\n")
	default:
		c.data("%s", listTable(apps, snap).draw(c.room(), c.paint))
	}
	if len(modules) > 0 {
		c.data("%s\n%s", c.paint(bold, moduleTitle(len(modules))), listTable(modules, snap).draw(c.room(), c.paint))
	}
	for _, in := range list {
		if in.Reason != "" && (in.Phase == lifecycle.Failed || in.Phase == lifecycle.Backoff || in.Held) {
			c.data("%s %s (id %d): %s\n", c.paint(yellow, "!"), clean(in.App), in.ID, clean(in.Reason))
		}
	}
	return nil
}

// room is the width there is for a table; 0 when it does not go to a terminal.
func (c *command) room() int {
	switch {
	case !c.Terminal:
		return 0
	case c.Width > 0:
		return c.Width
	}
	return 80
}

func listTable(list []event.Instance, snap event.Snapshot) *table {
	t := &table{rows: len(list), columns: []column{
		{title: "id", right: true},
		{title: "name"},
		{title: "namespace", drop: 7},
		{title: "version", drop: 8},
		{title: "mode", drop: 6},
		{title: "pid", right: true, drop: 5},
		{title: "uptime", right: true, drop: 4},
		{title: "↺", right: true, drop: 1},
		{title: "status"},
		{title: "cpu", right: true, drop: 3},
		{title: "mem", right: true, drop: 2},
	}}
	for i := range t.columns {
		t.columns[i].cells = make([]cell, 0, len(list))
	}
	for _, in := range list {
		for i, cell := range listRow(in, snap.At) {
			t.columns[i].cells = append(t.columns[i].cells, cell)
		}
	}
	return t
}

func listRow(in event.Instance, now time.Time) [11]cell {
	const none = "-"
	version, pid, uptime, cpu, mem := clean(cmp.Or(in.Version, none)), none, none, none, none
	if in.PID > 0 {
		pid = strconv.Itoa(in.PID)
		uptime = age(now.Sub(in.StartedAt))
		if in.Usage != nil {
			cpu, mem = percent(in.Usage.CPU), size(in.Usage.RSS)
		}
	}
	return [...]cell{
		{strconv.Itoa(in.ID), cyan},
		{clean(in.App), bold},
		{clean(in.Namespace), ""},
		{version, ""},
		{string(in.Mode), ""},
		{pid, ""},
		{uptime, ""},
		{strconv.Itoa(in.Restarts), ""},
		{status(in), statusStyle(in.Phase)},
		{cpu, ""},
		{mem, ""},
	}
}

// miniBlock is PM2's form for machines without a wide screen.
func miniBlock(in event.Instance, now time.Time) string {
	var b strings.Builder
	uptime, mem := "0", "0 B"
	if in.PID > 0 {
		uptime = age(now.Sub(in.StartedAt))
	}
	if in.Usage != nil {
		mem = size(in.Usage.RSS)
	}
	fmt.Fprintf(&b, "+--- %s\n", clean(in.App))
	for _, kv := range [][2]string{
		{"namespace", clean(in.Namespace)},
		{"version", clean(cmp.Or(in.Version, "N/A"))},
		{"pid", strconv.Itoa(in.PID)},
		{"pm2 id", strconv.Itoa(in.ID)},
		{"status", status(in)},
		{"mode", string(in.Mode)},
		{"restarted", strconv.Itoa(in.Restarts)},
		{"uptime", uptime},
		{"memory usage", mem},
		{"error log", clean(in.ErrorFile)},
		{"watching", yesNo(in.Watch)},
	} {
		fmt.Fprintf(&b, "%s : %s\n", kv[0], kv[1])
	}
	return b.String()
}

// order reads --sort; instances of one rank stay in order of name and id.
func (c *command) order() (func(a, b event.Instance) int, error) {
	byName := func(a, b event.Instance) int { return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.ID, b.ID)) }
	given := c.values.text("sort")
	if given == nil {
		return byName, nil
	}
	field, way, _ := strings.Cut(*given, ":")
	by, ok := map[string]func(a, b event.Instance) int{
		"name":      byName,
		"namespace": func(a, b event.Instance) int { return cmp.Compare(a.Namespace, b.Namespace) },
		"pid":       func(a, b event.Instance) int { return cmp.Compare(a.PID, b.PID) },
		"id":        func(a, b event.Instance) int { return cmp.Compare(a.ID, b.ID) },
		"cpu":       func(a, b event.Instance) int { return cmp.Compare(usage(a).CPU, usage(b).CPU) },
		"memory":    func(a, b event.Instance) int { return cmp.Compare(usage(a).RSS, usage(b).RSS) },
		"uptime":    func(a, b event.Instance) int { return b.StartedAt.Compare(a.StartedAt) },
		"status":    func(a, b event.Instance) int { return cmp.Compare(statusOf(a.Phase), statusOf(b.Phase)) },
	}[field]
	if !ok || way != "" && way != "asc" && way != "desc" {
		return nil, &fault.Error{
			Code: fault.Invalid, Field: "--sort", Message: "cannot sort by " + clean(*given),
			Remedy: "Fields are name, namespace, pid, id, cpu, memory, uptime and status, with :asc or :desc.",
		}
	}
	return func(a, b event.Instance) int {
		n := by(a, b)
		if way == "desc" {
			n = -n
		}
		return cmp.Or(n, byName(a, b))
	}, nil
}

func usage(in event.Instance) event.Usage {
	if in.Usage == nil {
		return event.Usage{}
	}
	return *in.Usage
}

func appsByName(snap event.Snapshot) map[string]*event.App {
	apps := make(map[string]*event.App, len(snap.Apps))
	for i := range snap.Apps {
		apps[snap.Apps[i].Spec.Name] = &snap.Apps[i]
	}
	return apps
}

// appOf is the app of an instance, as that one is declared.
func appOf(snap event.Snapshot, in event.Instance) *event.App {
	app := appsByName(snap)[in.App]
	if app == nil || len(app.Variants) == 0 {
		return app
	}
	one := *app
	one.Spec = app.Of(in.ID)
	return &one
}

// named are the instances that a name, else an id, means: what PM2 lets one describe.
func named(snap event.Snapshot, word string) []event.Instance {
	pick := func(match func(event.Instance) bool) (found []event.Instance) {
		for _, in := range snap.Instances {
			if match(in) {
				found = append(found, in)
			}
		}
		return found
	}
	if found := pick(func(in event.Instance) bool { return in.App == word }); found != nil {
		return found
	}
	return pick(func(in event.Instance) bool { return strconv.Itoa(in.ID) == word })
}

func unknownApp(snap event.Snapshot, word string) error {
	e := &fault.Error{
		Code: fault.NotFound, Message: fmt.Sprintf("no app or id %q", word), Remedy: "tend ls shows what there is.",
	}
	var names []string
	for _, in := range snap.Instances {
		names = append(names, in.App)
	}
	if near := spec.Nearest(word, names); near != "" {
		e.Remedy = "Did you mean " + clean(near) + "? tend ls shows what there is."
	}
	return e
}
