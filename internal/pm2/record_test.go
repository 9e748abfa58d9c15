package pm2

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/lifecycle"
	"github.com/tendproc/tend/internal/spec"
)

func BenchmarkJlist(b *testing.B) {
	env := map[string]string{}
	for _, kv := range os.Environ() {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	a := spec.App{
		Name: "web", Namespace: "default", Script: "/srv/web/app.js", Mode: spec.Fork, Cwd: "/srv/web", Env: env, InstanceVar: "NODE_APP_INSTANCE",
		OutFile: "/l/web-out.log", ErrorFile: "/l/web-error.log",
	}
	var list []event.Instance
	for i := range 100 {
		list = append(list, event.Instance{Spec: &a, ID: i, App: "web", Namespace: "default", Mode: spec.Fork, Phase: lifecycle.Running, PID: 4000 + i, CreatedAt: time.Now(), StartedAt: time.Now(), Usage: &event.Usage{CPU: 1.5, RSS: 45 << 20}})
	}
	b.ReportAllocs()
	for b.Loop() {
		text, err := Jlist(event.Snapshot{Instances: list})
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(text)))
	}
}
