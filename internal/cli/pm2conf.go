package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/pm2"
	"github.com/tendproc/tend/internal/spec"
)

// poison are keys that would reach the prototypes of who reads the file.
var poison = []string{"__proto__", "constructor", "prototype"}

// confPath parts a key: "a:b" and "a.b" are b below a.
func confPath(key string) ([]string, error) {
	path := strings.FieldsFunc(key, func(r rune) bool { return r == ':' || r == '.' })
	if len(path) == 0 || slices.ContainsFunc(path, func(p string) bool { return slices.Contains(poison, p) }) {
		return nil, &fault.Error{
			Code: fault.Invalid, Field: "key", Message: "not a key: " + clean(key), Remedy: "Give a name, or APP:NAME.",
		}
	}
	return path, nil
}

// put stores value at path.
func put(o *pm2.Object, path []string, value string) {
	for _, key := range path[:len(path)-1] {
		next, ok := o.Get(key).(*pm2.Object)
		if !ok {
			next = &pm2.Object{}
			o.Set(key, next)
		}
		o = next
	}
	o.Set(path[len(path)-1], value)
}

// find returns what is stored at path, nil for nothing.
func find(o *pm2.Object, path []string) any {
	var v any = o
	for _, key := range path {
		o, ok := v.(*pm2.Object)
		if !ok {
			return nil
		}
		v = o.Get(key)
	}
	return v
}

func pm2Set(ctx context.Context, c *command, o operands) error {
	if len(o.args) == 0 {
		return &fault.Error{
			Code: fault.Invalid, Message: "needs a key and a value",
			Remedy: "To edit all of them, open " + c.moduleHome().ModuleConf + ".",
		}
	}
	if len(o.args) == 1 {
		return pm2Get(ctx, c, o)
	}
	return c.store(ctx, o.args[:2])
}

func pm2Multiset(ctx context.Context, c *command, o operands) error {
	pairs := strings.Fields(strings.Join(o.args, " "))
	if c.home == nil && len(pairs)%2 != 0 { // PM2 leaves the last one out
		return &fault.Error{
			Code: fault.Invalid, Field: "key", Message: clean(pairs[len(pairs)-1]) + " has no value",
			Remedy: "Give keys and values in turn; nothing was changed.",
		}
	}
	return c.store(ctx, pairs[:len(pairs)/2*2])
}

// store writes keys and values in turn, and restarts the apps that they are for.
func (c *command) store(ctx context.Context, pairs []string) error {
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	conf, err := c.moduleHome().Conf()
	if err != nil {
		return err
	}
	var apps []string
	for pair := range slices.Chunk(pairs, 2) {
		path, err := confPath(pair[0])
		if err != nil {
			return err
		}
		put(conf, path, pair[1])
		if len(path) > 1 && !slices.Contains(apps, path[0]) {
			apps = append(apps, path[0])
		}
	}
	if err := c.moduleHome().SetConf(conf); err != nil {
		return err
	}
	for _, app := range apps {
		c.verb = "restart " + clean(app)
		out, err := svc.Restart(ctx, spec.Act{Target: app, Options: spec.Options{Env: storedEnv(conf, app)}, Caller: spec.Caller{Cwd: c.Cwd}})
		if fault.CodeOf(err) == fault.NotFound {
			continue // it may come
		}
		if err != nil {
			return err
		}
		c.tell("restarted", out)
	}
	c.printConf(conf, conf.Keys())
	return nil
}

// storedEnv are the variables that an app gets of what is stored for it: each key,
// and all of them as JSON under the app's own name.
func storedEnv(conf *pm2.Object, app string) map[string]string {
	env := map[string]string{}
	stored, ok := conf.Get(app).(*pm2.Object)
	if !ok {
		return env
	}
	for _, key := range stored.Keys() {
		switch v := stored.Get(key).(type) {
		case string:
			env[key] = v
		default:
			text, _ := json.Marshal(v) // it was read from JSON
			env[key] = string(text)
		}
	}
	text, _ := stored.MarshalJSON() // likewise
	env[app] = string(text)
	return env
}

// pm2Conf prints all, whatever is asked for, as PM2 does.
func pm2Conf(ctx context.Context, c *command, _ operands) error { return pm2Get(ctx, c, operands{}) }

func pm2Config(ctx context.Context, c *command, o operands) error {
	if len(o.args) > 1 {
		return pm2Set(ctx, c, o)
	}
	return pm2Get(ctx, c, o)
}

func pm2Get(_ context.Context, c *command, o operands) error {
	conf, err := c.moduleHome().Conf()
	if err != nil {
		return err
	}
	if len(o.args) == 0 {
		c.printConf(conf, conf.Keys())
		return nil
	}
	path, err := confPath(o.args[0])
	if err != nil {
		return err
	}
	switch v := find(conf, path).(type) {
	case nil:
		if c.home != nil {
			return errTold // PM2 says nothing either
		}
		return &fault.Error{
			Code: fault.NotFound, Field: "key", Message: "nothing is stored as " + clean(o.args[0]),
			Remedy: c.dialect.name + " set " + clean(o.args[0]) + " VALUE stores it; " + c.dialect.name + " conf prints what is stored.",
		}
	case *pm2.Object:
		c.printConf(conf, path[:1])
	default:
		if len(path) > 1 {
			c.say("Value for module %s key %s: %v\n", clean(path[0]), clean(strings.Join(path[1:], ".")), v)
		} else {
			c.say("%v\n", v)
		}
	}
	return nil
}

// printConf lists what is stored for modules, as commands that would store it.
func (c *command) printConf(conf *pm2.Object, modules []string) {
	for _, name := range modules {
		stored, ok := conf.Get(name).(*pm2.Object)
		if !ok {
			continue
		}
		c.say("Module: %s\n", clean(name))
		for _, key := range stored.Keys() {
			value, ok := stored.Get(key).(string)
			if !ok {
				text, _ := json.Marshal(stored.Get(key)) // it was read from JSON
				value = string(text)
			}
			c.say("$ %s set %s:%s %s\n", c.dialect.name, clean(name), clean(key), clean(value))
		}
	}
}

func pm2Unset(_ context.Context, c *command, o operands) error {
	conf, err := c.moduleHome().Conf()
	if err != nil {
		return err
	}
	if o.args[0] == "all" {
		return c.moduleHome().SetConf(&pm2.Object{})
	}
	path, err := confPath(o.args[0])
	if err != nil {
		return err
	}
	if parent, ok := find(conf, path[:len(path)-1]).(*pm2.Object); ok {
		parent.Delete(path[len(path)-1])
	}
	if err := c.moduleHome().SetConf(conf); err != nil {
		return err
	}
	c.done("%s", fmt.Sprintf("%s is not stored any more", clean(o.args[0])))
	return nil
}
