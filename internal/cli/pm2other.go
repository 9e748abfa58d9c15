package cli

import (
	"context"
	"runtime"
	"strconv"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/machine"
	"github.com/tendproc/tend/internal/pm2"
	"github.com/tendproc/tend/internal/spec"
)

// pm2OtherVerbs are those of PM2 that have to do with its vendor's services, which
// tend knows nothing of.
var pm2OtherVerbs = cloudVerbs("link", "unlink", "open", "login", "logout", "plus", "register")

func cloudVerbs(names ...string) []verb {
	list := make([]verb, len(names))
	for i, name := range names {
		list[i] = verb{
			use: name, short: "a service of PM2's vendor; does nothing here", most: -1, topics: []topic{general},
			run: func(_ context.Context, c *command, _ operands) error {
				c.done("%s: tend sends nothing to PM2's vendor; nothing was changed", name)
				return nil
			},
		}
	}
	return list
}

var pm2CompletionVerbs = []verb{{
	use: "completion [install|uninstall]", short: "print what makes a shell complete, or put it into the shell's file", most: -1,
	topics: []topic{general}, run: pm2Completion, asks: true, data: true,
}}

// pm2Monitor sets or takes the mark that PM2's dashboard goes by.
func pm2Monitor(on bool) func(context.Context, *command, operands) error {
	return func(ctx context.Context, c *command, o operands) error {
		svc, err := c.ensure(ctx)
		if err != nil {
			return err
		}
		if len(o.args) == 0 {
			o.args = []string{"all"}
		}
		out, err := svc.Annotate(ctx, spec.Act{
			Target: o.args[0], Options: spec.Options{Shown: map[string]any{"_km_monitored": on}}, Caller: spec.Caller{Cwd: c.Cwd},
		})
		if err != nil && fault.CodeOf(err) != fault.NotFound {
			return err
		}
		return c.conclude(ctx, svc, out)
	}
}

func pm2ReloadLogs(ctx context.Context, c *command, _ operands) error {
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	if err := svc.ReopenLogs(ctx); err != nil {
		return err
	}
	c.done("log files are open anew")
	return nil
}

const (
	fullConfig = `// What pm2 start, in this folder, starts. More keys: docs of pm2, "ecosystem file".
module.exports = {
  apps: [{
    name: "app",
    script: "./app.js",
    instances: 1,
    env: { NODE_ENV: "development" },
    env_production: { NODE_ENV: "production" },
  }],
};
`
	simpleConfig = `module.exports = {
  apps: [{ name: "app", script: "./app.js" }],
};
`
)

// pm2Init overwrites what is there, as PM2 does.
func pm2Init(_ context.Context, c *command, o operands) error {
	text := fullConfig
	if len(o.args) > 0 && o.args[0] == "simple" {
		text = simpleConfig
	}
	if err := pm2.Replace(c.configPath(), []byte(text)); err != nil {
		return err
	}
	c.say("%s is written\n", c.configPath())
	return nil
}

// pm2Slist prints what the system says of the machine.
func pm2Slist(ctx context.Context, c *command, _ operands) error {
	o := &pm2.Object{}
	for _, m := range machine.Measures(ctx) {
		o.Set(m.Name, pm2.Metric(m.Value, m.Unit))
	}
	if c.values.on("json") {
		return c.json(o)
	}
	c.data("%s\n", pm2.Inspect(o))
	return nil
}

func pm2Report(ctx context.Context, c *command, _ operands) error {
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	info, err := svc.Ping(ctx)
	if err != nil {
		return err
	}
	list, err := svc.List(ctx, event.Query{Brief: true})
	if err != nil {
		return err
	}
	for _, f := range []fact{
		{"tend", c.own},
		{"daemon", info.Version + ", pid " + strconv.Itoa(info.PID)},
		{"stands in for", "pm2 " + pm2.Version},
		{"home", c.home.Dir},
		{"daemon's log", c.home.Log},
		{"system", runtime.GOOS + " " + runtime.GOARCH},
		{"CPUs", strconv.Itoa(runtime.NumCPU())},
		{"processes", strconv.Itoa(len(list.Instances))},
	} {
		c.say("%-14s : %s\n", f.key, clean(f.value))
	}
	return nil
}
