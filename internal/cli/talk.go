package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/spec"
)

// answerTime is how long trigger waits for what a process answers.
const answerTime = 10 * time.Second

// runTrigger has processes do what they offer to do, and prints what they answer.
func runTrigger(ctx context.Context, c *command, o operands) error {
	target, action := o.args[0], o.args[1]
	c.verb = "trigger " + clean(target)
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	snap, err := svc.List(ctx, event.Query{Brief: true})
	if err != nil {
		return err
	}
	reached, err := offering(snap, target, action)
	if err != nil {
		return err
	}
	message, err := actionMessage(target, action, o.args[2:])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	t := &trigger{c: c, svc: svc, action: action, message: message, waiting: map[int]bool{}, list: reached}
	err = svc.Watch(ctx, "", func(ev event.Event) error { return t.event(ctx, ev) })
	switch {
	case errors.Is(err, errAnswered):
		return nil
	case ctx.Err() != nil:
		for _, in := range reached {
			if t.waiting[in.ID] {
				c.warn("%s (id %d) did not answer within %v", clean(in.App), in.ID, answerTime)
			}
		}
		return nil
	}
	return err
}

// offering are the instances of target that have told of the action.
func offering(snap event.Snapshot, target, action string) (list []event.Instance, err error) {
	entries := make([]spec.Entry, len(snap.Instances))
	for i, in := range snap.Instances {
		entries[i] = spec.Entry{ID: in.ID, Name: in.App, Namespace: in.Namespace}
	}
	ids, err := spec.Select(entries, target, "/")
	if err != nil {
		return nil, err
	}
	var offered []string
	for _, in := range snap.Instances {
		if !slices.Contains(ids, in.ID) || in.PID == 0 {
			continue
		}
		names := actionNames(in)
		if slices.Contains(names, action) {
			list = append(list, in)
		}
		offered = append(offered, names...)
	}
	if len(list) > 0 {
		return list, nil
	}
	slices.Sort(offered)
	f := &fault.Error{Code: fault.NotFound, Field: "action", Message: "no process that runs offers " + clean(action)}
	if f.Remedy = "An app offers actions on its channel, as @pm2/io does."; len(offered) > 0 {
		f.Remedy = "There are: " + clean(strings.Join(slices.Compact(offered), ", ")) + "."
	}
	return nil, f
}

func actionNames(in event.Instance) (names []string) {
	if in.Said == nil {
		return nil
	}
	for _, raw := range in.Said.Actions {
		var a struct {
			Name string `json:"action_name"`
		}
		if json.Unmarshal(raw, &a) == nil {
			names = append(names, a.Name)
		}
	}
	return names
}

// actionMessage is what PM2 sends: the bare name, or with a parameter an object.
func actionMessage(target, action string, param []string) (json.RawMessage, error) {
	if len(param) == 0 {
		return json.Marshal(action)
	}
	m := map[string]string{"msg": action, "opts": param[0], "name": target}
	if digits(target) {
		delete(m, "name")
		m["id"] = target
	}
	return json.Marshal(m)
}

// trigger is one on its way.
type trigger struct {
	c       *command
	svc     api.Service
	action  string
	message json.RawMessage
	list    []event.Instance
	waiting map[int]bool
}

// errAnswered ends the watch: all have answered.
var errAnswered = errors.New("answered")

// event sends, once whatever is answered will be seen; then it takes the answers.
func (t *trigger) event(ctx context.Context, ev event.Event) error {
	switch {
	case ev.Type == event.Begin:
		for _, in := range t.list {
			if err := t.svc.Message(ctx, in.ID, t.message); err != nil {
				return err
			}
			t.waiting[in.ID] = true
		}
		t.c.say("%s\n", fmt.Sprintf("%s received by %s", clean(t.action), count(len(t.list), "process")))
	case ev.Topic == "axm:reply" && ev.Instance != nil && t.waiting[ev.Instance.ID]:
		var reply struct {
			Data struct {
				Action string          `json:"action_name"`
				Return json.RawMessage `json:"return"`
			} `json:"data"`
		}
		if json.Unmarshal(ev.Message, &reply) != nil || reply.Data.Action != t.action {
			return nil
		}
		in := ev.Instance
		delete(t.waiting, in.ID)
		t.c.data("[%s:%d:%s]=%s\n", clean(in.App), in.ID, clean(in.Namespace), clean(string(reply.Data.Return)))
	}
	if len(t.waiting) == 0 {
		return errAnswered
	}
	return nil
}

// runAttach joins the terminal to a process: lines go to its standard input, and
// what it writes is shown.
func runAttach(ctx context.Context, c *command, o operands) error {
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	c.verb = "attach " + clean(o.args[0])
	to, err := receiver(ctx, svc, o.args[0])
	if err != nil {
		return err
	}
	if to.PID == 0 {
		return &fault.Error{Code: fault.NotRunning, Message: "it is not running", Remedy: "Start it first: tend start " + clean(o.args[0])}
	}
	separator := ""
	if len(o.args) > 1 {
		separator = o.args[1]
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	shown := make(chan error, 1)
	go func() { // ends with ctx, or with the stream
		p := &linePrinter{c: c, out: bufio.NewWriter(c.Out)}
		p.format = p.raw
		shown <- c.follow(ctx, svc, api.LogsRequest{Target: fmt.Sprint(to.ID), Follow: true}, p)
		cancel()
	}()
	typed := make(chan error, 1)
	go func() { typed <- c.sendLines(ctx, svc, to.ID, separator) }() // a read of a terminal ends with the program only
	select {
	case err = <-typed:
		cancel()
		<-shown
	case err = <-shown:
	}
	if stopped(ctx, err) {
		return nil
	}
	return err
}

// sendLines sends what is typed until its end, or until the separator is.
func (c *command) sendLines(ctx context.Context, svc api.Service, id int, separator string) error {
	if c.In == nil {
		return nil
	}
	in := bufio.NewScanner(c.In)
	in.Buffer(nil, api.MaxBody/2)
	for in.Scan() {
		if separator != "" && in.Text() == separator {
			return nil
		}
		if err := svc.WriteLine(ctx, id, in.Text()); err != nil {
			return err
		}
	}
	return in.Err()
}
