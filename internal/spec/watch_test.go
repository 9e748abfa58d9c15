package spec

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tendproc/tend/internal/fault"
)

func TestWatch(t *testing.T) {
	base := Watch{On: true, Paths: []string{"/srv/web/src"}, Ignore: &[]string{"tmp"}, Ext: []string{".js"}, Delay: time.Second}
	for _, c := range []struct {
		name string
		o    Options
		want Watch
	}{
		{"nothing", Options{}, base},
		{"toggle", Options{ToggleWatch: true}, func() Watch { w := base; w.On = false; return w }()},
		{"off", Options{Watch: ptr(false)}, func() Watch { w := base; w.On = false; return w }()},
		{"paths", Options{WatchPaths: &[]string{"lib", "/etc/x", "src/**/*.js"}}, func() Watch {
			w := base
			w.Paths = []string{"/srv/web/lib", "/etc/x", "/srv/web/src/**/*.js"}
			return w
		}()},
		{"defaults", Options{
			WatchPaths: &[]string{"null"}, IgnoreWatch: &[]string{"null"}, WatchExt: &[]string{"null"},
			WatchDelay: ptr(time.Duration(Reset)), WatchLinks: ptr(false),
		}, Watch{On: true, NoLinks: true}},
		{"nothing ignored", Options{IgnoreWatch: &[]string{}}, func() Watch { w := base; w.Ignore = &[]string{}; return w }()},
		{"extensions", Options{WatchExt: &[]string{"ts", ".json", "*.yml"}}, func() Watch { w := base; w.Ext = []string{".ts", ".json", ".yml"}; return w }()},
	} {
		a := App{Cwd: "/srv/web", Watch: base}
		if err := a.applyWatch(nil, c.o); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if diff := cmp.Diff(c.want, a.Watch); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestWatchRefuses(t *testing.T) {
	for field, o := range map[string]Options{
		"--watch":        {WatchPaths: &[]string{"src/[a"}},
		"--ignore-watch": {IgnoreWatch: &[]string{"{a,b"}},
		"--watch-delay":  {WatchDelay: ptr(-time.Hour)},
	} {
		a := App{Cwd: "/srv/web"}
		if f, ok := a.applyWatch(nil, o).(*fault.Error); !ok || f.Field != field || f.Code != fault.Invalid || f.Remedy == "" {
			t.Errorf("%s: %+v", field, f)
		}
	}
}

func TestCron(t *testing.T) {
	for given, want := range map[string]string{"30 3 * * *": "30 3 * * *", " @daily ": "@daily", "0": "", "null": "", "": ""} {
		a := App{Cron: "* * * * *"}
		if err := a.applyCron(nil, Options{Cron: &given}); err != nil || a.Cron != want {
			t.Errorf("%q: %q, %v", given, a.Cron, err)
		}
	}
	bad := "61 * * * *"
	f, ok := new(App).applyCron(nil, Options{Cron: &bad}).(*fault.Error)
	if !ok || f.Field != "--cron-restart" || f.Remedy == "" || !strings.Contains(f.Error(), "61") {
		t.Errorf("%+v", f)
	}
}
