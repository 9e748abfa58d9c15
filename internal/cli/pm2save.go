package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/pm2"
	"github.com/tendproc/tend/internal/spec"
)

func pm2Save(ctx context.Context, c *command, _ operands) error {
	snap, err := c.list(ctx, event.Query{Brief: true, Specs: true})
	if err != nil {
		return err
	}
	if len(snap.Instances) == 0 && !c.values.on("force") {
		c.say("[PM2][WARN] there is no process to save, so nothing was; --force saves an empty list\n")
		return nil
	}
	if err := c.home.Save(pm2.Dump(snap)); err != nil {
		return err
	}
	c.done("saved %s in %s", count(len(snap.Instances), "process"), c.home.Dump)
	return nil
}

func pm2Cleardump(ctx context.Context, c *command, _ operands) error {
	if _, err := c.ensure(ctx); err != nil {
		return err
	}
	if err := pm2.Replace(c.home.Dump, []byte("[]")); err != nil {
		return err
	}
	c.done("%s is empty now", c.home.Dump)
	return nil
}

// pm2Resurrect starts what of the dump has a name that is not in the list.
func pm2Resurrect(ctx context.Context, c *command, _ operands) error {
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	snap, err := svc.List(ctx, event.Query{Brief: true})
	if err != nil {
		return err
	}
	dump, broken, err := c.home.Saved()
	if err != nil {
		return err
	}
	for _, path := range broken {
		c.warn("%s was no dump, and is deleted", path)
	}
	if dump == nil {
		c.say("[PM2][WARN] there is no dump at %s; pm2 save makes one\n", c.home.Dump)
	}
	var all event.Outcome
	for _, o := range dump {
		req, stopped := savedStart(o)
		if slices.ContainsFunc(snap.Instances, func(in event.Instance) bool { return in.App == *req.Options.Name }) {
			continue
		}
		c.verb = "resurrect " + clean(*req.Options.Name)
		if stopped {
			req.Options.Autostart, req.Options.Shown["autostart"] = new(false), o.Get("autostart")
		}
		out, err := svc.Start(ctx, req)
		if err != nil {
			c.report(err) // the others come back all the same
			continue
		}
		c.tell("restored", out)
		merge(&all, out)
	}
	return c.conclude(ctx, svc, all)
}

// savedStart is the command that makes what was saved; stopped says that it was not
// to run.
func savedStart(o *pm2.Object) (req spec.Start, stopped bool) {
	text := func(key string) *string {
		if s, ok := o.Get(key).(string); ok {
			return &s
		}
		return nil
	}
	opts := spec.Options{
		Name: text("name"), Namespace: text("namespace"), Mode: text("exec_mode"), Cwd: text("pm_cwd"),
		Interpreter: text("exec_interpreter"), LogDate: text("log_date_format"), InstanceVar: text("instance_var"),
		OutFile: unnumbered(o, "pm_out_log_path", ".log"), ErrorFile: unnumbered(o, "pm_err_log_path", ".log"),
		LogFile: unnumbered(o, "pm_log_path", ".log"), LogType: text("log_type"),
		PIDFile: unnumbered(o, "pm_pid_path", ".pid"), MergeLogs: flagOf(o, "merge_logs"), Autorestart: flagOf(o, "autorestart"),
		TreeKill: flagOf(o, "treekill"), WaitReady: flagOf(o, "wait_ready"), StopMessage: flagOf(o, "shutdown_with_message"),
		NoLogs: flagOf(o, "disable_logs"), KillTimeout: timeOf(o, "kill_timeout"), ListenTimeout: timeOf(o, "listen_timeout"),
		RestartDelay: timeOf(o, "restart_delay"), Backoff: timeOf(o, "exp_backoff_restart_delay"), MinUptime: timeOf(o, "min_uptime"),
		MaxRestarts: numberOf(o, "max_restarts"), Args: listOf(o, "args"), InterpreterArgs: listOf(o, "node_args"), FilterEnv: listOf(o, "filter_env"),
		UID: wordOf(o, "uid"), GID: wordOf(o, "gid"), MaxMemory: wordOf(o, "max_memory_restart"), StopExitCodes: codesOf(o),
	}
	if opts.Name == nil {
		opts.Name = new("app")
	}
	word := o.Get("pm_exec_path")
	if args := listOf(o, "args"); args != nil && len(*args) > 1 && (*args)[0] == "-c" && filepath.Base(fmt.Sprint(word)) == "bash" {
		word, rest := (*args)[1], (*args)[2:]
		opts.Args, opts.Interpreter = &rest, nil
		return savedRequest(o, word, opts)
	}
	return savedRequest(o, fmt.Sprint(word), opts)
}

func savedRequest(o *pm2.Object, word string, opts spec.Options) (spec.Start, bool) {
	if opts.InterpreterArgs != nil && len(*opts.InterpreterArgs) == 0 {
		opts.InterpreterArgs = nil
	}
	if opts.MergeLogs == nil { // its logs carry a number, as those of one of several do
		opts.Instances = new("1")
	}
	opts.Shown = map[string]any{}
	keys := []string{"time", "_km_monitored"}
	for _, f := range pm2FlagList {
		key, _, _ := strings.Cut(f.shown, "=")
		keys = append(keys, key)
	}
	for _, key := range keys {
		if o.Get(key) != nil {
			opts.Shown[key] = o.Get(key)
		}
	}
	caller := spec.Caller{Cwd: fmt.Sprint(o.Get("pm_cwd"))}
	if env, ok := o.Get("env").(*pm2.Object); ok {
		for _, key := range env.Keys() {
			if value, ok := env.Get(key).(string); ok {
				caller.Env = append(caller.Env, key+"="+value)
			}
		}
	}
	return spec.Start{Word: word, Options: opts, Force: true, Caller: caller}, o.Get("status") == "stopped"
}

// unnumbered is a path as it was before it got the number of its instance.
func unnumbered(o *pm2.Object, key, ext string) *string {
	path, ok := o.Get(key).(string)
	if !ok {
		return nil
	}
	if base, ok := strings.CutSuffix(path, ext); ok && (ext == ".pid" || o.Get("merge_logs") != true) {
		if i := strings.LastIndexByte(base, '-'); i > 0 && digits(base[i+1:]) {
			path = base[:i] + ext
		}
	}
	return &path
}

func flagOf(o *pm2.Object, key string) *bool {
	if b, ok := o.Get(key).(bool); ok {
		return &b
	}
	return nil
}

func numberOf(o *pm2.Object, key string) *int {
	n, ok := o.Get(key).(json.Number)
	if !ok {
		return nil
	}
	i, err := strconv.Atoi(n.String())
	if err != nil {
		return nil
	}
	return &i
}

func timeOf(o *pm2.Object, key string) *time.Duration {
	n := numberOf(o, key)
	if n == nil {
		return nil
	}
	return new(time.Duration(*n) * time.Millisecond)
}

func wordOf(o *pm2.Object, key string) *string {
	if v := o.Get(key); v != nil {
		return new(fmt.Sprint(v))
	}
	return nil
}

func listOf(o *pm2.Object, key string) *[]string {
	values, ok := o.Get(key).([]any)
	if !ok {
		return nil
	}
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = fmt.Sprint(v)
	}
	return &list
}

func codesOf(o *pm2.Object) *[]int {
	words := listOf(o, "stop_exit_codes")
	if words == nil {
		return nil
	}
	codes := []int{}
	for _, w := range *words {
		if n, err := strconv.Atoi(w); err == nil {
			codes = append(codes, n)
		}
	}
	return &codes
}
