package config

import (
	"fmt"
	"maps"
	"slices"

	"github.com/tendproc/tend/internal/spec"
)

// serveScript is the script of an app that is a server of files. Its variables say
// what it serves; a site under static is such an app in other words.
const serveScript = "serve"

// siteVars are the variables that stand for a site's keys.
var siteVars = map[string]string{
	"path": "PM2_SERVE_PATH", "port": "PM2_SERVE_PORT", "host": "PM2_SERVE_HOST", "spa": "PM2_SERVE_SPA",
	"ftp": "PM2_SERVE_FTP", "directory": "PM2_SERVE_FTP", "homepage": "PM2_SERVE_HOMEPAGE",
}

// sites makes apps of what stands under static.
func (r *reader) sites(v any) (apps []any) {
	const remedy = `Write static: [ { path: "./public", port: 8080 } ].`
	if !asks(v, nil) {
		return nil
	}
	list, ok := v.([]any)
	if one, isOne := v.(map[string]any); isOne {
		list, ok = []any{one}, true
	}
	if !ok {
		r.fatal("", "static", "cannot be "+described(v), remedy)
	}
	for i, v := range list {
		label := fmt.Sprintf("static %d", i+1)
		site, ok := v.(map[string]any)
		if !ok {
			r.fatal("", label, "cannot be "+described(v), remedy)
			continue
		}
		apps = append(apps, r.site(label, site))
	}
	return apps
}

// site is the app of one site.
func (r *reader) site(label string, site map[string]any) map[string]any {
	app, env := map[string]any{"script": serveScript}, map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(site)) {
		switch v := site[key]; {
		case siteVars[key] != "":
			if v != false { // what is off is not said
				env[siteVars[key]] = v
			}
		case key == "basic_auth":
			login, _ := v.(map[string]any)
			if login["username"] == nil || login["password"] == nil {
				r.fatal("", label+".basic_auth", "has not both a username and a password", `Write basic_auth: { username: "ann", password: "secret" }.`)
				continue
			}
			env["PM2_SERVE_BASIC_AUTH"] = "true"
			env["PM2_SERVE_BASIC_AUTH_USERNAME"], env["PM2_SERVE_BASIC_AUTH_PASSWORD"] = login["username"], login["password"]
		default:
			app[key] = v
		}
	}
	app["env"] = env
	return app
}

// served makes an app with the script "serve" what it means.
func (r *reader) served(a *app) {
	if a.Word != serveScript || len(r.Server) == 0 {
		return
	}
	args, mode := slices.Clone(r.Server[1:]), string(spec.Cluster)
	a.Word, a.Options.Args, a.Options.Exclusive = r.Server[0], &args, new(true)
	if a.Options.Mode == nil { // one process of a cluster: a reload has no gap
		a.Options.Mode = &mode
	}
	if a.Options.Name == nil || *a.Options.Name == "" {
		port := a.env["PM2_SERVE_PORT"]
		if port == "" {
			port = "8080"
		}
		name := "static-page-server-" + port
		a.Options.Name = &name
	}
}
