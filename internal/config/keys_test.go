package config

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tendproc/tend/internal/spec"
)

// good gives for each key that works, values and what comes of them, as the
// options' JSON.
var good = map[string]map[string]string{
	"name":               {`"web"`: `{}`, `7`: `{"name":"7"}`},
	"append_env_to_name": {`true`: `{"name":"web-dev"}`, `false`: `{}`},
	"namespace":          {`"jobs"`: `{"namespace":"jobs"}`, `null`: `{}`, `""`: `{}`},
	"args": {
		`"--port 80 'a b'"`: `{"args":["--port","80","a b"]}`, `["a b", 2, true]`: `{"args":["a b","2","true"]}`, `[]`: `{"args":[]}`, `""`: `{"args":[]}`,
	},
	"interpreter":      {`"python3"`: `{"interpreter":"python3"}`, `"none"`: `{"interpreter":"none"}`},
	"interpreter_args": {`"--harmony --x=1"`: `{"interpreter_args":["--harmony","--x=1"]}`, `["--a b"]`: `{"interpreter_args":["--a b"]}`},
	"cwd":              {`"/srv"`: `{"cwd":"/srv"}`},
	"instances":        {`4`: `{"instances":"4"}`, `"max"`: `{"instances":"max"}`, `"-1"`: `{"instances":"-1"}`, `0`: `{"instances":"0"}`},
	"exec_mode":        {`"cluster_mode"`: `{"mode":"cluster_mode"}`},
	"scheduler":        {`"shared"`: `{"scheduler":"shared"}`},
	"instance_var":     {`"ID"`: `{"instance_var":"ID"}`},
	"increment_var":    {`"PORT"`: `{"increment_var":"PORT"}`},
	"env": {
		`{"A": 1, "B": true, "C": null, "D": {"x": [1, "x"]}, "E": 1.5}`: `{"env":{"A":"1","B":"true","C":"null","D":"{\"x\":[1,\"x\"]}","E":"1.5"}}`,
		`{}`: `{}`,
	},
	"env_file":                  {`"a.env"`: `{"env":{"FILE":"/srv/a.env"}}`, `["a.env", "/b.env"]`: `{"env":{"FILE":"/b.env"}}`},
	"filter_env":                {`true`: `{"filter_env":["*"]}`, `false`: `{"filter_env":[]}`, `"SECRET"`: `{"filter_env":["SECRET"]}`, `["A", "B"]`: `{"filter_env":["A","B"]}`},
	"port":                      {`3000`: `{"env":{"PORT":"3000"}}`, `"80"`: `{"env":{"PORT":"80"}}`},
	"out_file":                  {`"out.log"`: `{"out_file":"out.log"}`, `"NULL"`: `{"out_file":"NULL"}`},
	"error_file":                {`"err.log"`: `{"error_file":"err.log"}`},
	"merge_logs":                {`true`: `{"merge_logs":true}`},
	"log_date_format":           {`"YYYY"`: `{"log_date_format":"YYYY"}`},
	"time":                      {`true`: `{"log_date_format":"YYYY-MM-DDTHH:mm:ss"}`, `false`: `{}`},
	"log_file":                  {`"all.log"`: `{"log_file":"all.log"}`},
	"log_type":                  {`"json"`: `{"log_type":"json"}`},
	"pid_file":                  {`"x.pid"`: `{"pid_file":"x.pid"}`},
	"disable_logs":              {`true`: `{"out_file":"/dev/null","error_file":"/dev/null"}`},
	"log_mode":                  {`"raw"`: `{"log_mode":"raw"}`},
	"memory_limit":              {`"512M"`: `{"memory_limit":"512M"}`, `1048576`: `{"memory_limit":"1048576"}`},
	"cpu_limit":                 {`"50%"`: `{"cpu_limit":"50%"}`, `2`: `{"cpu_limit":"2"}`, `0.5`: `{"cpu_limit":"0.5"}`},
	"autostart":                 {`false`: `{"autostart":false}`, `true`: `{"autostart":true}`},
	"depends_on":                {`"db"`: `{"depends_on":["db"]}`, `["db", "migrate:completed"]`: `{"depends_on":["db","migrate:completed"]}`},
	"autorestart":               {`false`: `{"autorestart":false}`},
	"max_restarts":              {`3`: `{"max_restarts":3}`, `"7"`: `{"max_restarts":7}`},
	"min_uptime":                {`"1h"`: `{"min_uptime":3600000000000}`, `200`: `{"min_uptime":200000000}`},
	"restart_delay":             {`"100"`: `{"restart_delay":100000000}`},
	"exp_backoff_restart_delay": {`100`: `{"backoff":100000000}`},
	"stop_exit_codes":           {`[0, "3"]`: `{"stop_exit_codes":[0,3]}`, `"0 3"`: `{"stop_exit_codes":[0,3]}`, `7`: `{"stop_exit_codes":[7]}`},
	"max_memory_restart":        {`"300M"`: `{"max_memory_restart":"300M"}`, `1000000`: `{"max_memory_restart":"1000000"}`},
	"max_age":                   {`"24h"`: `{"max_age":86400000000000}`},
	"hang_timeout":              {`"10s"`: `{"hang_timeout":10000000000}`},
	"watch":                     {`true`: `{"watch":true}`, `false`: `{"watch":false}`, `"src"`: `{"watch":true,"watch_paths":["src"]}`, `["a", "b"]`: `{"watch":true,"watch_paths":["a","b"]}`},
	"ignore_watch":              {`["tmp", "a/b"]`: `{"ignore_watch":["tmp","a/b"]}`, `"tmp"`: `{"ignore_watch":["tmp"]}`},
	"watch_delay":               {`1000`: `{"watch_delay":1000000000}`, `"2s"`: `{"watch_delay":2000000000}`},
	"watch_options":             {`{"followSymlinks": false}`: `{"watch_links":false}`, `{"followSymlinks": true, "x": {}}`: `{"watch_links":true}`, `{"usePolling": true}`: `{}`},
	"ext":                       {`"js,json"`: `{"ext":["js","json"]}`, `["ts"]`: `{"ext":["ts"]}`},
	"cron_restart":              {`"0 3 * * *"`: `{"cron_restart":"0 3 * * *"}`, `0`: `{"cron_restart":"0"}`},
	"stop_signal":               {`"SIGTERM"`: `{"stop_signal":"SIGTERM"}`},
	"kill_timeout":              {`"3s"`: `{"kill_timeout":3000000000}`, `3000`: `{"kill_timeout":3000000000}`},
	"treekill":                  {`false`: `{"treekill":false}`},
	"shutdown_with_message":     {`true`: `{"shutdown_with_message":true}`},
	"drain":                     {`false`: `{"drain":false}`},
	"sticky":                    {`true`: `{"sticky":true}`},
	"pmx":                       {`false`: `{"metrics":false}`, `true`: `{"metrics":true}`},
	"max_connections":           {`1000`: `{"max_connections":1000}`},
	"standby":                   {`1`: `{"standby":1}`},
	"drain_timeout":             {`"1m30s"`: `{"drain_timeout":90000000000}`},
	"wait_ready":                {`true`: `{"wait_ready":true}`},
	"listen_timeout":            {`8000`: `{"listen_timeout":8000000000}`},
	"probe":                     {`"tcp://:1"`: `{"probe":"tcp://:1"}`},
	"listen":                    {`3000`: `{"listen":["3000"]}`, `["3000", "unix:/x"]`: `{"listen":["3000","unix:/x"]}`},
	"overlap":                   {`true`: `{"overlap":true}`},
	"post_update":               {`["npm ci", "true"]`: `{}`, `"npm ci"`: `{}`},
	"uid":                       {`"ann"`: `{"uid":"ann"}`, `1000`: `{"uid":"1000"}`},
	"gid":                       {`50`: `{"gid":"50"}`},
}

// bad gives values that a kind refuses.
var bad = map[Kind][]string{
	Text:      {`true`, `{}`, `[]`},
	Switch:    {`"true"`, `1`, `[]`},
	Number:    {`-1`, `1.5`, `"many"`, `true`, `{}`},
	Duration:  {`"soon"`, `-1`, `true`, `[]`},
	Size:      {`"12X"`, `true`, `0`, `{}`},
	Count:     {`"many"`, `1.5`, `true`, `99999`, `[2]`},
	Words:     {`5`, `true`, `{}`, `"'open"`, `[["a"]]`},
	Texts:     {`true`, `{}`, `[{}]`},
	Codes:     {`"x"`, `[256]`, `-1`, `true`, `{}`, `[1.5]`},
	Variables: {`"A=1"`, `[1]`, `5`, `{"A=B": 1}`},
	Filter:    {`{}`, `[[]]`},
}

// read reads text with the section dev, from /srv.
func read(t testing.TB, text string) File {
	t.Helper()
	tree, err := Decode(JSON, []byte(text))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return Read(tree, Query{Section: "dev", Cwd: "/srv", ReadFile: func(path string) ([]byte, error) { return []byte("FILE=" + path), nil }})
}

// one is an app with one key besides, for Switch-like keys that need others.
func one(key, value string) string {
	if key == "name" {
		return `{"script": "web.js", "env_dev": {}, "` + key + `": ` + value + `}`
	}
	return `{"script": "web.js", "name": "web", "env_dev": {}, "` + key + `": ` + value + `}`
}

// optionsOf is the JSON of the options, without the name where it is web.
func optionsOf(t *testing.T, f File) string {
	t.Helper()
	if err := f.Err(true); err != nil || len(f.Apps) != 1 {
		t.Fatalf("%d apps, %v", len(f.Apps), err)
	}
	o := f.Apps[0].Options
	if *o.Name == "web" {
		o.Name = nil
	}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEachKeyInEachSpelling(t *testing.T) {
	for _, k := range Keys {
		if k.set == nil || k.Name == "script" {
			continue
		}
		if good[k.Name] == nil {
			t.Errorf("no values for %s in the table above", k.Name)
		}
		for value, want := range good[k.Name] {
			for _, word := range k.names() {
				if diff := cmp.Diff(want, optionsOf(t, read(t, one(word, value)))); diff != "" {
					t.Errorf("%s: %s (-want +got)\n%s", word, value, diff)
				}
			}
		}
	}
	for _, word := range []string{"script", "cmd", "command", "exec"} {
		if f := read(t, `{"`+word+`": "a b.js", "env_dev": {}}`); f.Err(true) != nil || f.Apps[0].Word != "a b.js" {
			t.Errorf("%s: %+v", word, f)
		}
	}
}

// A new option of an app needs a key here: give its row in Keys a setter, and a
// row in the table above.
func TestEachOptionHasAKey(t *testing.T) {
	set := map[string]bool{"UpdateEnv": true, "ToggleWatch": true, "NoLogs": true, "Shown": true, "Module": true, "Exclusive": true} // are about the command, PM2's record, what is installed, or a server of files
	for key, values := range good {
		for value := range values {
			o := reflect.ValueOf(read(t, one(key, value)).Apps[0].Options)
			for i := range o.NumField() {
				if !o.Field(i).IsZero() {
					set[o.Type().Field(i).Name] = true
				}
			}
		}
	}
	for f := range reflect.TypeFor[spec.Options]().Fields() {
		if !set[f.Name] {
			t.Errorf("no key sets spec.Options.%s", f.Name)
		}
	}
}

func TestWrongTypesNameAppKeyAndRemedy(t *testing.T) {
	for _, k := range Keys {
		if k.set == nil {
			continue
		}
		values := bad[k.Kind]
		if len(values) == 0 {
			t.Errorf("no bad values of kind %s", k.Kind)
		}
		for _, value := range values {
			if k.Name == "env_file" && strings.HasPrefix(value, "{") {
				continue // the section called file
			}
			f := read(t, one(k.Name, value))
			i := slices.IndexFunc(f.Problems, func(p Problem) bool { return p.Fatal })
			if i < 0 {
				t.Errorf("%s: %s is taken: %+v", k.Name, value, f.Apps[0].Options)
				continue
			}
			p := f.Problems[i]
			if p.App == "" || p.Key != k.Name || p.Message == "" || !strings.Contains(p.Remedy, k.Name) {
				t.Errorf("%s: %s: %+v", k.Name, value, p)
			}
		}
	}
}

func TestKeysThatDoNothingYet(t *testing.T) {
	for _, k := range Keys {
		if k.set != nil {
			if k.Later != "" || k.Ignored != "" {
				t.Errorf("%s works, and says that it does not", k.Name)
			}
			continue
		}
		value, quiet := `"x"`, []string{`false`, `null`, `""`, `[]`, `{}`, `0`}
		if k.usual == true {
			value, quiet = `false`, []string{`true`, `null`}
		}
		for _, word := range k.names() {
			f := read(t, one(word, value))
			switch {
			case f.Err(false) != nil:
				t.Errorf("%s is fatal: %v", word, f.Err(false))
			case k.Ignored != "" && len(f.Problems) > 0:
				t.Errorf("%s is told of: %v", word, f.Problems)
			case k.Later != "" && (len(f.Problems) != 1 || f.Problems[0].Key != word || f.Problems[0].App != "web"):
				t.Errorf("%s: problems %v", word, f.Problems)
			}
		}
		for _, value := range quiet {
			if f := read(t, one(k.Name, value)); len(f.Problems) > 0 {
				t.Errorf("%s: %s: problems %v", k.Name, value, f.Problems)
			}
		}
	}
}

func TestNoWordMeansTwoThings(t *testing.T) {
	seen := map[string]string{}
	for _, k := range Keys {
		for _, word := range k.names() {
			if other, ok := seen[word]; ok {
				t.Errorf("%s is %s and %s", word, other, k.Name)
			}
			seen[word] = k.Name
		}
		if k.Doc == "" || (k.set == nil) == (k.Later == "" && k.Ignored == "") {
			t.Errorf("%s: says nothing of itself, or not what it does", k.Name)
		}
	}
}
