package pm2test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// A Node app has the metrics in its record that PM2's agent gives it there: the same names,
// types, units and kinds of values.
func TestMetricsAsPM2(t *testing.T) {
	t.Parallel()
	want := newSide(t, realPM2(t)).metrics()
	got := newSide(t, []string{build(t)}).metrics()
	if got != want {
		t.Errorf("with tend:\n%s\nwith PM2:\n%s", got, want)
	}
}

// metrics are the forms of those of an HTTP server that was asked something.
func (s *side) metrics() (forms string) {
	s.t.Helper()
	if r := s.pm2("start", "asked.js"); r.code != 0 {
		s.t.Fatalf("start: %+v", r)
	}
	defer s.pm2("delete", "all")
	s.eventually("ten metrics", func() bool {
		var records []struct {
			Env struct {
				Monitor map[string]map[string]any `json:"axm_monitor"`
				PMX     bool                      `json:"pmx"`
			} `json:"pm2_env"`
		}
		out := s.pm2("jlist").out
		if err := json.Unmarshal([]byte(out), &records); err != nil || len(records) != 1 {
			s.t.Errorf("%v: %s", err, out)
			return true
		}
		var lines []string
		monitor := records[0].Env.Monitor
		for _, name := range slices.Sorted(maps.Keys(monitor)) {
			m := monitor[name]
			lines = append(lines, fmt.Sprintf("%s: type %v, unit %v, historic %v, value a %T", name, m["type"], m["unit"], m["historic"], m["value"]))
		}
		forms = strings.Join(lines, "\n")
		return len(monitor) == 10 && records[0].Env.PMX
	})
	return forms
}
