package cli

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/pm2"
	"github.com/tendproc/tend/internal/spec"
)

// writeApps writes NAME-pm2.json for each program among words: start --write.
func (c *command) writeApps(words []string, opts spec.Options) error {
	for _, word := range words {
		if spec.IsConfig(word) {
			continue
		}
		base := filepath.Base(word)
		name := strings.TrimSuffix(base, filepath.Ext(base))
		if opts.Name != nil {
			name = *opts.Name
		}
		text, err := declared(word, name, opts)
		if err != nil {
			return err
		}
		path := c.path(strings.ReplaceAll(name, "/", "-") + "-pm2.json")
		if err := pm2.Replace(path, append(text, '\n')); err != nil {
			return err
		}
		c.done("%s is written", path)
	}
	return nil
}

// declared is an app in the words of a configuration file, with what opts says of it.
func declared(word, name string, opts spec.Options) ([]byte, error) {
	shown := opts.Shown
	opts.Shown, opts.UpdateEnv, opts.ToggleWatch = nil, false, false
	text, err := json.Marshal(opts)
	if err != nil {
		return nil, err
	}
	app := map[string]any{}
	if err := json.Unmarshal(text, &app); err != nil {
		return nil, err
	}
	for key, t := range map[string]*time.Duration{
		"restart_delay": opts.RestartDelay, "backoff": opts.Backoff, "watch_delay": opts.WatchDelay,
		"kill_timeout": opts.KillTimeout, "listen_timeout": opts.ListenTimeout,
	} {
		if t != nil {
			app[key] = t.Milliseconds()
		}
	}
	for ours, theirs := range map[string]string{"mode": "exec_mode", "backoff": "exp_backoff_restart_delay", "watch_paths": "watch", "no_logs": "disable_logs"} {
		if v, ok := app[ours]; ok {
			delete(app, ours)
			app[theirs] = v
		}
	}
	maps.Copy(app, shown)
	delete(app, "force")
	app["name"], app["script"] = name, word
	return json.MarshalIndent(app, "", "  ")
}
