package spec

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDiff(t *testing.T) {
	old := Profile{}.defaults()
	old.Env = map[string]string{"A": "1", "B": "1", "API_KEY": "x", "DB": "pg://me:pw@host/db", "E": ""}
	now := old
	now.KillTimeout, now.Args, now.MaxMemory, now.Name, now.Instances = 3*time.Second, []string{"a b"}, 300, "other", 9
	now.Env = map[string]string{"A": "2", "C": "x\x1b", "API_KEY": "y", "DB": "pg://me:other@host/db", "E": "e"}
	want := []Difference{
		{"args", "", `["a b"]`},
		{"max_memory_restart", "0", "300"},
		{"kill_timeout", "1.6s", "3s"},
		{"env.A", "1", "2"},
		{"env.API_KEY", "…", "…"},
		{"env.B", "1", ""},
		{"env.C", "", "x?"},
		{"env.DB", "…", "…"},
		{"env.E", `""`, "e"},
	}
	if diff := cmp.Diff(want, old.Diff(now)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := old.Diff(old); len(got) > 0 {
		t.Errorf("from itself it differs in %v", got)
	}
	empty := old
	empty.Args = []string{} // as it comes back from a file, or from the wire
	if got := old.Diff(empty); len(got) > 0 || old.Replaces(empty) {
		t.Errorf("no arguments differ from none: %v", got)
	}
}

// Every field is either known to need no new process, or needs one.
func TestReplaces(t *testing.T) {
	for f := range reflect.TypeFor[App]().Fields() {
		a := Profile{}.defaults()
		field := reflect.ValueOf(&a).Elem().FieldByName(f.Name)
		switch field.Kind() {
		case reflect.String:
			field.SetString("x")
		case reflect.Bool:
			field.SetBool(!field.Bool())
		case reflect.Int, reflect.Int64:
			field.SetInt(field.Int() + 1)
		case reflect.Float64:
			field.SetFloat(1)
		case reflect.Uint64:
			field.SetUint(1)
		case reflect.Slice:
			field.Set(reflect.MakeSlice(field.Type(), 1, 1))
		case reflect.Map:
			field.Set(reflect.MakeMap(field.Type()))
			field.SetMapIndex(reflect.ValueOf("A"), reflect.Zero(field.Type().Elem()))
		case reflect.Struct:
			field.Field(0).SetBool(true)
		case reflect.Pointer:
			field.Set(reflect.New(field.Type().Elem()))
		default:
			t.Fatalf("%s: what is a %v?", f.Name, field.Kind())
		}
		name := Profile{}.defaults().changed(a)
		if len(name) != 1 {
			t.Fatalf("%s: changed %v", f.Name, name)
		}
		if got := (Profile{}).defaults().Replaces(a); got == slices.Contains(live, name[0]) {
			t.Errorf("%s: replaces %v", name, got)
		}
	}
}

func TestIncrementAndFilter(t *testing.T) {
	d := Declared{Word: "app.js", Options: Options{Name: ptr("web"), IncrementVar: ptr("PORT"), Env: map[string]string{"PORT": "3000"}, FilterEnv: &[]string{"HO"}}}
	a, err := ResolveDeclared(testMachine(), "/logs", d, testCaller())
	if _, home := a.Env["HOME"]; err != nil || home || a.Env["A"] != "1" || a.IncrementVar != "PORT" {
		t.Errorf("%v in %v", err, a.Env)
	}
	d.Options.FilterEnv = &[]string{AllEnv}
	a, err = ResolveDeclared(testMachine(), "/logs", d, testCaller())
	if diff := cmp.Diff(map[string]string{"PATH": "/bin:/usr/bin", "PORT": "3000", "PWD": "/srv/web"}, a.Env); err != nil || diff != "" {
		t.Errorf("%v: (-want +got)\n%s", err, diff)
	}
	// Later commands leave the same variables out.
	a, err = a.With(testMachine(), Options{UpdateEnv: true}, testCaller())
	if _, there := a.Env["A"]; err != nil || there {
		t.Errorf("%v in %v", err, a.Env)
	}
	d.Options.Env = nil
	if _, err = ResolveDeclared(testMachine(), "/logs", d, testCaller()); err == nil || err.Error() != `web: increment_var: PORT is not a number: ""` {
		t.Errorf("error %v", err)
	}
	d.Options = Options{Name: ptr("web"), KillTimeout: ptr(-time.Second)}
	if _, err = ResolveDeclared(testMachine(), "/logs", d, testCaller()); err == nil || err.Error() != "web: kill_timeout: -1s is negative" {
		t.Errorf("error %v", err)
	}
}

func TestIsConfig(t *testing.T) {
	for word, want := range map[string]bool{
		"-": true, "ecosystem.config.js": true, "/srv/x.config.cjs": true, "a.config.mjs": true, "a.config.ts": true, "process.json": true,
		"a.yml": true, "a.yaml": true, "a.toml": true, "Procfile": true, "/srv/Procfile.dev": true, "apps.json.dist": true,
		"app.js": false, "server.ts": false, "web": false, "my.json.d/app.js": false, "serve --config x.json": false, "Procfiles": false, "x.tomlet": false,
	} {
		if got := IsConfig(word); got != want {
			t.Errorf("%s: %v", word, got)
		}
	}
	for _, name := range ConfigNames {
		if !IsConfig(name) {
			t.Errorf("%s is looked for, and no configuration", name)
		}
	}
}

func TestDuration(t *testing.T) {
	for word, want := range map[string]time.Duration{"1500": 1500 * time.Millisecond, "2s": 2 * time.Second, "1m30s": 90 * time.Second, "0": 0} {
		if got, err := Duration(word); err != nil || got != want {
			t.Errorf("%s: %v, %v", word, got, err)
		}
	}
	if got, err := Duration("9223372036854775807"); err != nil || got <= longest {
		t.Errorf("far too long: %v, %v", got, err)
	}
	for _, word := range []string{"", "soon", "1 s", "99999999999999999999"} {
		if got, err := Duration(word); err == nil {
			t.Errorf("%q: %v", word, got)
		}
	}
}
