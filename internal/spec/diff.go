package spec

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Difference is one thing that differs between two declarations of an app. Old
// and New are as a person writes them, "" for not there; what looks like a
// secret is not shown.
type Difference struct {
	Field string `json:"field"` // "kill_timeout", "env.PORT"
	Old   string `json:"old,omitempty"`
	New   string `json:"new,omitempty"`
}

// unseen are the fields of which a difference says nothing to anyone.
var unseen = []string{"name", "instances", "own_env", "env"}

// live are the fields that only the supervisor goes by, so that a process need
// not be replaced for them.
var live = []string{
	"instances", "own_env", "origin", "autorestart", "max_restarts", "min_uptime", "restart_delay", "backoff", "stop_exit_codes",
	"max_memory_restart", "listen_timeout", "watch", "cron_restart", "no_autostart", "depends_on", "shown", "username",
}

// Diff tells how the declaration changes, in the order of App's fields, then by
// the names of the variables. The number of instances is not looked at.
func (a App) Diff(to App) (list []Difference) {
	for _, name := range a.changed(to) {
		if !slices.Contains(unseen, name) {
			list = append(list, Difference{name, show(a.field(name)), show(to.field(name))})
		}
	}
	names := slices.AppendSeq(slices.Collect(maps.Keys(a.Env)), maps.Keys(to.Env))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		was, had := a.Env[name]
		is, has := to.Env[name]
		if was == is && had == has {
			continue
		}
		d := Difference{Field: "env." + name}
		if had {
			d.Old = conceal(name, was)
		}
		if has {
			d.New = conceal(name, is)
		}
		list = append(list, d)
	}
	return list
}

// Replaces says that processes of a must be replaced to become what to declares.
func (a App) Replaces(to App) bool {
	return slices.ContainsFunc(a.changed(to), func(name string) bool { return !slices.Contains(live, name) })
}

// KeepEnv returns a with the environment that was had of its caller, and a's own
// variables over it. What was declared for was and is no more for a is as a's
// caller has it.
func (a App) KeepEnv(was App) App {
	env := without(maps.Clone(was.Env), a.FilterEnv)
	for _, name := range was.Own {
		delete(env, name)
		if value, ok := a.Env[name]; ok {
			env[name] = value
		}
	}
	for _, name := range append(slices.Clone(a.Own), "PWD") {
		if value, ok := a.Env[name]; ok {
			env[name] = value
		}
	}
	if a.UID != nil {
		env["HOME"] = a.Env["HOME"]
	}
	if value, ok := a.Env["PYTHONUNBUFFERED"]; ok {
		env["PYTHONUNBUFFERED"] = value
	}
	a.Env = env
	return a
}

// changed names the fields that differ, as JSON has them.
func (a App) changed(to App) (names []string) {
	x, y := reflect.ValueOf(a), reflect.ValueOf(to)
	for i := range x.NumField() {
		old, now := x.Field(i), y.Field(i)
		if old.Kind() == reflect.Slice && old.Len()+now.Len() == 0 || reflect.DeepEqual(old.Interface(), now.Interface()) {
			continue
		}
		name, _, _ := strings.Cut(x.Type().Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

func (a App) field(name string) any {
	v := reflect.ValueOf(a)
	for i := range v.NumField() {
		if tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ","); tag == name {
			return v.Field(i).Interface()
		}
	}
	return nil
}

// show writes a value: a time with its unit, a list in brackets, words as they are.
func show(v any) string {
	if d, ok := v.(time.Duration); ok {
		return d.String()
	}
	text, err := json.Marshal(v)
	if err != nil || string(text) == "null" {
		return ""
	}
	if rv := reflect.ValueOf(v); rv.Kind() == reflect.String {
		return rv.String()
	}
	return string(text)
}

// Concealed stands for a value that is not shown.
const Concealed = "…"

// conceal keeps what looks like a secret out of terminals and build logs.
func conceal(name, value string) string {
	upper := strings.ToUpper(name)
	for _, mark := range []string{"SECRET", "TOKEN", "PASS", "KEY", "CRED", "PRIVATE", "AUTH"} {
		if strings.Contains(upper, mark) {
			return Concealed
		}
	}
	if u, err := url.Parse(value); err == nil && u.User != nil {
		return Concealed
	}
	return cmp.Or(printable(value), `""`)
}
