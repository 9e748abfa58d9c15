package spec

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tendproc/tend/internal/fault"
)

// Dependency is an app that another one waits for when it is started.
type Dependency struct {
	App   string `json:"app"`
	Until Until  `json:"until"`
}

// Until says how far an app must have come for those that depend on it.
type Until string

const (
	UntilStarted   Until = "started"   // it has a process
	UntilReady     Until = "ready"     // all its processes are up
	UntilCompleted Until = "completed" // all its processes have ended, and well
)

// untils are the words for them: ours, and those of Docker Compose.
var untils = map[string]Until{
	"started": UntilStarted, "ready": UntilReady, "completed": UntilCompleted,
	"service_started": UntilStarted, "service_healthy": UntilReady, "service_completed_successfully": UntilCompleted,
}

// applyDepends is about what must be there before the app is started.
func (a *App) applyDepends(_ Machine, o Options) error {
	if o.DependsOn == nil {
		return nil
	}
	a.DependsOn = nil
	for _, word := range list(o.DependsOn) {
		d := Dependency{App: word, Until: UntilReady}
		if i := strings.LastIndexByte(word, ':'); i >= 0 {
			if until, ok := untils[word[i+1:]]; ok {
				d = Dependency{App: word[:i], Until: until}
			}
		}
		if err := checkName(d.App); err != nil {
			err.Field, err.Remedy = "--depends-on", "Give the name of an app, and how far it must be: db, db:started, migrate:completed."
			return err
		}
		if d.App == a.Name {
			return cycle([]string{a.Name, a.Name})
		}
		if !slices.Contains(a.DependsOn, d) {
			a.DependsOn = append(a.DependsOn, d)
		}
	}
	return nil
}

// Order parts apps into layers: each depends only on apps of the layers before
// its own, or on such as are not among them. An error names the circle that there is.
func Order(needs map[string][]Dependency) (layers [][]string, err error) {
	left := maps.Clone(needs)
	for len(left) > 0 {
		var layer []string
		for app, list := range left {
			if !slices.ContainsFunc(list, func(d Dependency) bool { _, waits := left[d.App]; return waits }) {
				layer = append(layer, app)
			}
		}
		if len(layer) == 0 {
			return nil, cycle(circle(left))
		}
		slices.Sort(layer)
		layers = append(layers, layer)
		for _, app := range layer {
			delete(left, app)
		}
	}
	return layers, nil
}

// circle finds the way from an app back to itself; each of left has one to go on.
func circle(left map[string][]Dependency) []string {
	way := []string{slices.Min(slices.Collect(maps.Keys(left)))}
	for {
		at := way[len(way)-1]
		for _, d := range left[at] {
			if _, ok := left[d.App]; ok {
				at = d.App
				break
			}
		}
		if i := slices.Index(way, at); i >= 0 {
			return append(way[i:], at)
		}
		way = append(way, at)
	}
}

func cycle(way []string) error {
	return &fault.Error{
		Code: fault.Invalid, Field: "--depends-on", Message: fmt.Sprintf("depends on itself: %s", strings.Join(way, " → ")),
		Remedy: "Take one of these dependencies away.",
	}
}
