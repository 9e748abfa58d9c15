package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// program is one that is guarded.
type program struct {
	name string
	// start is what follows tend start: PORT, PLACE (a folder of its own), APP (the
	// folder app) and MODULES (the folder of what is fetched) stand for themselves.
	start []string
	load  func(ctx context.Context, t *trial) (load, error)
	// ready makes what the program needs; nil for nothing.
	ready func(ctx context.Context, t *trial) error
}

var programs = []program{
	{"Express", []string{"APP/express.js", "-i", "2"}, askHTTP, nil},
	{"Fastify", []string{"APP/fastify.js", "-i", "2"}, askHTTP, nil},
	{"Koa", []string{"APP/koa.js", "-i", "2"}, askHTTP, fetched},
	{"Socket.IO", []string{"APP/socketio.js", "-i", "2", "--sticky"}, askSocketIO("0"), nil},
	{"Socket.IO, clients with retries", []string{"APP/socketio.js", "-i", "2", "--sticky"}, askSocketIO("5"), nil},
	{"Next.js", []string{"MODULES/next/dist/bin/next", "-i", "2", "--cwd", "PLACE/next", "--", "start", "-H", "127.0.0.1", "-p", "PORT"}, askHTTP, builtNext},
	{"json-server", []string{"MODULES/json-server/lib/cli/bin.js", "-i", "2", "--", "PLACE/db.json", "--quiet", "--host", "127.0.0.1", "--port", "PORT"}, askHTTP, withDB},
	{
		"python3 -m http.server",
		[]string{"python3", "--cwd", "PLACE", "--probe", "http://127.0.0.1:PORT/", "--", "-m", "http.server", "PORT", "--bind", "127.0.0.1"},
		askHTTP, nil,
	},
	{"nginx", []string{"nginx", "--overlap", "--stop-signal", "SIGQUIT", "--probe", "http://127.0.0.1:PORT/", "--", "-c", "PLACE/nginx.conf", "-p", "PLACE"}, askHTTP, nginxConf},
	{
		"redis-server",
		[]string{"redis-server", "--probe", "tcp://127.0.0.1:PORT", "--", "--port", "PORT", "--bind", "127.0.0.1", "--dir", "PLACE", "--appendonly", "yes", "--appendfsync", "always"},
		askRedis, found,
	},
	{"a loop of the shell", []string{"APP/loop.sh"}, readLines, nil},
}

// fetch is what testenv has not.
var fetch = []string{"koa@3.3.0", "json-server@0.17.4", "next@16.4.6", "react@19.3.1", "react-dom@19.3.1"}

// modules is where it lies.
func modules() string { return filepath.Join(".cache", "programs", "node_modules") }

func fetched(ctx context.Context, _ *trial) error {
	dir := filepath.Dir(modules())
	if text, err := os.ReadFile(filepath.Join(dir, "fetched")); err == nil && string(text) == strings.Join(fetch, " ") {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"private":true}`), 0o600); err != nil {
		return err
	}
	args := append([]string{"install", "--prefix", dir, "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"}, fetch...)
	if out, err := exec.CommandContext(ctx, "npm", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("npm install: %w\n%s", err, out)
	}
	return os.WriteFile(filepath.Join(dir, "fetched"), []byte(strings.Join(fetch, " ")), 0o600)
}

// builtNext builds the site for production.
func builtNext(ctx context.Context, t *trial) error {
	if err := fetched(ctx, t); err != nil {
		return err
	}
	mods, err := filepath.Abs(modules())
	if err != nil {
		return err
	}
	site := filepath.Join(t.place, "next")
	if err := os.CopyFS(site, os.DirFS("bench/programs/app/next")); err != nil {
		return err
	}
	if err := os.Symlink(mods, filepath.Join(t.place, "node_modules")); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "node", filepath.Join(mods, "next/dist/bin/next"), "build", "--webpack")
	cmd.Dir, cmd.Env = site, append(os.Environ(), "NEXT_TELEMETRY_DISABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("next build: %w\n%s", err, out)
	}
	return nil
}

func withDB(ctx context.Context, t *trial) error {
	if err := fetched(ctx, t); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(t.place, "db.json"), []byte(`{"posts":[{"id":1,"title":"one"}]}`), 0o600)
}

func nginxConf(ctx context.Context, t *trial) error {
	if err := found(ctx, t); err != nil {
		return err
	}
	text, err := os.ReadFile("bench/programs/app/nginx.conf")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(t.place, "nginx.conf"), []byte(t.named(string(text))), 0o644)
}

// found says whether the program, one of the system's, is there.
func found(_ context.Context, t *trial) error {
	if _, err := exec.LookPath(t.program.start[0]); err != nil {
		return fmt.Errorf("%w: install it (Debian: nginx-light, redis-server)", err)
	}
	return nil
}

// named puts the real names for those that stand for them.
func (t *trial) named(text string) string {
	app, _ := filepath.Abs("bench/programs/app")
	mods, _ := filepath.Abs(modules())
	return strings.NewReplacer("PORT", strconv.Itoa(t.port), "PLACE", t.place, "APP", app, "MODULES", mods).Replace(text)
}
