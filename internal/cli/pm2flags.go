package cli

import (
	"slices"
	"strings"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/spec"
)

// pm2Flag is an option of PM2.
type pm2Flag struct {
	name, short, value string
	optional           bool   // it may stand without its value
	shown              string // the attribute that it only sets in the record
	ignored            bool   // it asks for nothing that is not so anyway
}

// pm2FlagList are the options of PM2. Those that are also tend's mean what they
// mean there.
var pm2FlagList = []pm2Flag{
	{name: "name", short: "n", value: "NAME"},
	{name: "namespace", value: "NAME"},
	{name: "instances", short: "i", value: "N"},
	{name: "execute-command", short: "x"},
	{name: "interpreter", value: "PROGRAM"},
	{name: "interpreter-args", value: "ARGS"},
	{name: "node-args", value: "ARGS"},
	{name: "cwd", value: "FOLDER"},
	{name: "env", value: "NAME"},
	{name: "filter-env", value: "TEXT", optional: true},
	{name: "update-env", short: "a"},
	{name: "output", short: "o", value: "FILE"},
	{name: "error", short: "e", value: "FILE"},
	{name: "log", short: "l", value: "FILE", optional: true},
	{name: "merge-logs"},
	{name: "disable-logs"},
	{name: "log-type", value: "TYPE"},
	{name: "log-date-format", value: "FORMAT"},
	{name: "time"},
	{name: "pid", short: "p", value: "FILE"},
	{name: "no-autorestart"},
	{name: "no-autostart"},
	{name: "max-restarts", value: "N", optional: true},
	{name: "restart-delay", value: "MS"},
	{name: "exp-backoff-restart-delay", value: "MS"},
	{name: "max-memory-restart", value: "SIZE"},
	{name: "stop-exit-codes", value: "N…"},
	{name: "kill-timeout", short: "k", value: "MS"},
	{name: "listen-timeout", value: "MS"},
	{name: "no-treekill"},
	{name: "shutdown-with-message"},
	{name: "wait-ready"},
	{name: "uid", value: "USER"},
	{name: "gid", value: "GROUP"},
	{name: "force", short: "f"},
	{name: "parallel", value: "N"},
	{name: "port", value: "PORT"},
	{name: "host", value: "ADDRESS"},
	{name: "spa"},
	{name: "ftp"},
	{name: "basic-auth-username", value: "NAME"},
	{name: "basic-auth-password", value: "WORD"},
	{name: "mini-list", short: "m"},
	{name: "sort", value: "FIELD"},
	{name: "lines", value: "N"},
	{name: "nostream"},
	{name: "err"},
	{name: "out"},
	{name: "raw"},
	{name: "json"},
	{name: "watch", value: "PATHS", optional: true},
	{name: "ignore-watch", value: "PATHS"},
	{name: "watch-delay", value: "TIME"},
	{name: "ext", value: "EXTENSIONS"},
	{name: "cron-restart", short: "c", value: "PATTERN"},
	{name: "only", value: "NAMES"},
	{name: "write", short: "w"},
	{name: "no-daemon"},
	{name: "user", short: "u", value: "USER"},
	{name: "hp", value: "FOLDER"},
	{name: "service-name", value: "NAME"},
	{name: "no-vizion", shown: "vizion=false"},
	{name: "no-pmx"},
	{name: "no-automation", shown: "automation=false"},
	{name: "source-map-support", shown: "source_map_support"},
	{name: "disable-source-map-support", shown: "disable_source_map_support"},
	{name: "trace", shown: "trace"},
	{name: "disable-trace", shown: "trace=false"},
	{name: "v8", shown: "v8"},
	{name: "event-loop-inspector", shown: "event_loop_inspector"},
	{name: "deep-monitoring", shown: "deep_monitoring"},
	{name: "safe", value: "TIME", optional: true},
	{name: "npm"},
	{name: "tarball", ignored: true},
	{name: "container"},
	{name: "dist", ignored: true}, // with --container only, as the next three
	{name: "image-name", value: "NAME", optional: true, ignored: true},
	{name: "node-version", value: "MAJOR", optional: true, ignored: true},
	{name: "dockerdaemon", ignored: true},
	{name: "fresh", ignored: true},
	{name: "daemon", ignored: true}, // so it is anyway
	{name: "install", ignored: true},
	{name: "docker", ignored: true},
	{name: "v1", ignored: true},
	{name: "info-node", value: "URL", optional: true, ignored: true}, // of the vendor, as the next two
	{name: "discrete", short: "d", ignored: true},
	{name: "install-all", ignored: true},
	{name: "monitor", value: "APP", optional: true, ignored: true},
	{name: "attach"},
	{name: "wait-ip", ignored: true},
	{name: "format"},
	{name: "timestamp", value: "FORMAT", optional: true},
	{name: "highlight", value: "TEXT", optional: true},
	{name: "tree", short: "t", ignored: true},
	{name: "silent", short: "s"},
	{name: "no-color"},
	{name: "help", short: "h"},
	{name: "version", short: "v"},
}

// pm2Flags declares the options of PM2, with tend's words where it has them.
func pm2Flags() []flagSpec {
	list := make([]flagSpec, 0, len(pm2FlagList))
	for _, f := range pm2FlagList {
		spec := flagSpec{name: f.name, short: f.short, value: f.value, topic: ignored, usage: "accepted for PM2's sake"}
		if f.optional {
			spec.value = "[" + f.value + "]"
		}
		if i := slices.IndexFunc(flagSpecs, func(s flagSpec) bool { return s.name == f.name }); i >= 0 {
			spec.topic, spec.usage = flagSpecs[i].topic, flagSpecs[i].usage
		}
		if own, ok := pm2Usages[f.name]; ok {
			spec.topic, spec.usage = declare, own
		}
		list = append(list, spec)
	}
	return list
}

// pm2Usages are of options that tend has not, or has for something else.
var pm2Usages = map[string]string{
	"env":          "which section of a configuration file counts",
	"container":    "build an image of the app with Docker, and run it",
	"dist":         "with --container: the app is in the image, which --image-name calls",
	"image-name":   "with --container: how the image is called",
	"node-version": "with --container: which image of Node it is made from",
	"fresh":        "with --container: build it from the beginning",
	"dockerdaemon": "with --container: run it in the background",
	"npm":          "have npm publish it",
	"log":          "file that gets both outputs besides; NAME.log without a value",
	"log-type":     "json: an object a line",
	"pid":          "file for the number of the process",
	"no-autostart": "put it into the list, and start nothing",
	"write":        "write NAME-pm2.json, by which the app can be started again",
	"no-daemon":    "guard the apps in the foreground, as pm2-runtime does",
	"filter-env":   "leave out the variables whose name contains TEXT; may be repeated",
}

// pm2Named finds an option by how it is written, without its value.
func pm2Named(arg string) (pm2Flag, bool) {
	name, long := strings.CutPrefix(arg, "--")
	for _, f := range pm2FlagList {
		if long && f.name == name || !long && f.short != "" && arg == "-"+f.short {
			return f, true
		}
	}
	return pm2Flag{}, false
}

// pm2Options are the options that say what an app is.
func (c *command) pm2Options(o operands) (spec.Options, error) {
	if err := c.unmade(); err != nil {
		return spec.Options{}, err
	}
	opts, err := c.values.options()
	if o.dashed {
		own := append([]string{}, o.own...)
		opts.Args = &own
	}
	opts.LogMode, opts.LogType = nil, c.values.text("log-type")
	if opts.LogFile = c.values.text("log"); opts.LogFile != nil && *opts.LogFile == "true" {
		opts.LogFile = new("")
	}
	if n := opts.Instances; n != nil && (*n == "0" || *n == "max") && opts.MergeLogs == nil { // PM2 takes it for none given
		opts.MergeLogs = new(true)
	}
	opts.Shown = map[string]any{}
	for _, f := range pm2FlagList {
		if key, value, _ := strings.Cut(f.shown, "="); key != "" && c.values.on(f.name) {
			opts.Shown[key] = value != "false"
		}
	}
	if c.values.on("disable-logs") {
		opts.OutFile, opts.ErrorFile, opts.NoLogs = c.values.text("output"), c.values.text("error"), new(true)
	}
	if c.values.on("force") {
		opts.Shown["force"] = true
	}
	if c.values.on("time") {
		opts.Shown["time"] = true
	}
	if cwd := c.values.text("cwd"); cwd != nil {
		opts.Shown["cwd"] = *cwd
	}
	opts.FilterEnv = c.values.each("filter-env")
	opts.PIDFile, opts.Autostart = c.values.text("pid"), c.values.flag("no-autostart", false)
	if len(opts.Shown) == 0 {
		opts.Shown = nil
	}
	return opts, err
}

// unmade is an error for an option that tend does not know what to do with yet.
func (c *command) unmade() error {
	for _, f := range pm2FlagList {
		known := f.shown != "" || f.ignored || slices.Contains(pm2Own, f.name) ||
			slices.ContainsFunc(flagSpecs, func(s flagSpec) bool { return s.name == f.name })
		if known || !c.values.given(f.name) {
			continue
		}
		return &fault.Error{
			Code: fault.Unsupported, Field: "--" + f.name, Message: "this option of pm2 is not supported yet",
			Remedy: "Leave it out; nothing was changed.",
		}
	}
	return nil
}

// pm2Own are options that only the name of pm2 has, and that do something.
var pm2Own = []string{"log", "log-type", "pid", "no-autostart", "user", "hp", "service-name", "attach", "format", "timestamp", "highlight", "write", "no-daemon", "npm", "container"}
