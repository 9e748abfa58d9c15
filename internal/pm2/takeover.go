package pm2

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tendproc/tend/internal/spec"
)

// Foreign is an app of PM2's own daemon, as tend starts it by its own name.
type Foreign struct {
	Name    string
	IDs     []string // of its processes there
	Up      bool     // it is to run
	Module  bool     // it is a module of PM2, which is of no use elsewhere
	Notes   []string // what will be otherwise
	Request spec.Start
}

// Foreigners makes apps of records (their pm2_env): processes that differ in their
// number alone are instances of one. path is the PATH of the caller: see [Request].
func Foreigners(records []*Object, h Home, path string) (apps []Foreign) {
	at := map[string]int{}
	for _, o := range records {
		f := foreign(o, h, path)
		key, err := json.Marshal([]any{f.Name, f.Request.Word, f.Request.Options.Mode, f.Request.Options.Args, f.Request.Options.Cwd})
		if i, ok := at[string(key)]; ok && err == nil {
			apps[i].IDs = append(apps[i].IDs, f.IDs...)
			apps[i].Up = apps[i].Up || f.Up
			continue
		}
		at[string(key)] = len(apps)
		apps = append(apps, f)
	}
	for i := range apps {
		if n := len(apps[i].IDs); n > 1 || apps[i].Request.Options.Instances != nil {
			apps[i].Request.Options.Instances = new(strconv.Itoa(n))
		}
		if !apps[i].Up {
			apps[i].Request.Options.Autostart = new(false)
		}
	}
	return apps
}

// pm2Own are variables that PM2 gives to those it starts, and that mean itself.
var pm2Own = []string{"PM2_HOME", "PM2_USAGE", "PM2_INTERACTOR_PROCESSING", "PM2_PROGRAMMATIC", "PM2_JSON_PROCESSING", "unique_id", "_"}

func foreign(o *Object, h Home, path string) Foreign {
	req, _ := Request(o, nil, path)
	req.Options.Shown = nil
	f := Foreign{Name: *req.Options.Name, IDs: []string{fmt.Sprint(o.Get("pm_id"))}, Module: o.Get("pmx_module") == true}
	f.Up = slices.Contains([]any{"online", "launching", "one-launch-status", "waiting restart", "stopping"}, o.Get("status"))
	f.Request = req
	opts := &f.Request.Options
	f.Request.Caller.Env = slices.DeleteFunc(f.Request.Caller.Env, func(kv string) bool {
		key, _, _ := strings.Cut(kv, "=")
		return slices.Contains(pm2Own, key)
	})
	for _, path := range []**string{&opts.OutFile, &opts.ErrorFile} {
		if *path != nil && filepath.Dir(**path) == h.Logs {
			*path = nil
			f.note("its logs go to tend's folder")
		}
	}
	if opts.PIDFile != nil && filepath.Dir(*opts.PIDFile) == h.PIDs {
		opts.PIDFile = nil
	}
	f.compare(o)
	return f
}

// compare notes what PM2 does and tend does not, or in another way
// (docs/pm2-differences.md).
func (f *Foreign) compare(o *Object) {
	for _, key := range []string{"deep_monitoring", "trace", "v8", "event_loop_inspector", "io", "disable_source_map_support", "source_map_support"} {
		if v := o.Get(key); v != nil && v != false {
			f.note(key + " means nothing to tend")
		}
	}
	if actions, ok := o.Get("axm_actions").([]any); ok && len(actions) > 0 {
		f.note("its metrics come from tend; the agent's actions end, those of @pm2/io stay")
	}
	if versioning, ok := o.Get("versioning").(*Object); ok && len(versioning.Keys()) > 0 {
		f.note("git is not asked for its revision")
	}
}

func (f *Foreign) note(text string) {
	if !slices.Contains(f.Notes, text) {
		f.Notes = append(f.Notes, text)
	}
}
