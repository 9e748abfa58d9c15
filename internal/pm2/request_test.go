package pm2

import (
	"encoding/json"
	"slices"
	"testing"
	"time"
)

// What a dump says of times, files and variables is not lost on the way back.
func TestRequestOfADump(t *testing.T) {
	var o Object
	text := `{"name":"a","pm_exec_path":"/a.js","pm_cwd":"/","cron_restart":"0 3 * * *","watch":["lib"],"ignore_watch":"x","watch_delay":500,"increment_var":"PORT",
		"env":{"S":"s","N":3000,"B":true,"O":{"x":[1]},"Z":null}}`
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	req, _ := Request(&o, nil, "/opt/bin:/bin")
	opts := req.Options
	if *opts.Cron != "0 3 * * *" || !*opts.Watch || !slices.Equal(*opts.WatchPaths, []string{"lib"}) || !slices.Equal(*opts.IgnoreWatch, []string{"x"}) ||
		*opts.WatchDelay != 500*time.Millisecond || *opts.IncrementVar != "PORT" {
		t.Errorf("%+v", opts)
	}
	if want := []string{"S=s", "N=3000", "B=true", `O={"x":[1]}`, "PATH=/opt/bin:/bin"}; !slices.Equal(req.Caller.Env, want) {
		t.Errorf("environment %q, want %q", req.Caller.Env, want)
	}
}
