package spec

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tendproc/tend/internal/fault"
)

func TestDepends(t *testing.T) {
	a := App{Name: "api"}
	words := []string{"db", "cache:started", "migrate:completed", "x:y", "db", "q:service_healthy"}
	if err := a.applyDepends(nil, Options{DependsOn: &words}); err != nil {
		t.Fatal(err)
	}
	want := []Dependency{{"db", UntilReady}, {"cache", UntilStarted}, {"migrate", UntilCompleted}, {"x:y", UntilReady}, {"q", UntilReady}}
	if diff := cmp.Diff(want, a.DependsOn); diff != "" {
		t.Error(diff)
	}
	for word, text := range map[string]string{"api": "depends on itself: api → api", "": "is empty", ":ready": "is empty", "all": "every app"} {
		f, ok := a.applyDepends(nil, Options{DependsOn: &[]string{word}}).(*fault.Error)
		if !ok || f.Field != "--depends-on" || f.Remedy == "" || !strings.Contains(f.Error(), text) {
			t.Errorf("%q: %+v", word, f)
		}
	}
	if err := a.applyDepends(nil, Options{DependsOn: &[]string{"null"}}); err != nil || a.DependsOn != nil {
		t.Errorf("%v, %v", a.DependsOn, err)
	}
}

func needs(text string) map[string][]Dependency {
	m := map[string][]Dependency{}
	for _, word := range strings.Fields(text) {
		app, on, _ := strings.Cut(word, "<")
		m[app] = nil
		for _, d := range strings.FieldsFunc(on, func(r rune) bool { return r == ',' }) {
			m[app] = append(m[app], Dependency{App: d})
		}
	}
	return m
}

func TestOrder(t *testing.T) {
	for text, want := range map[string]string{
		"a b c":                    "[[a b c]]",
		"api<db,cache db cache<db": "[[db] [cache] [api]]",
		"api<db,elsewhere db":      "[[db] [api]]",
		"":                         "[]",
	} {
		if got, err := Order(needs(text)); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"a<b b<a":           "a → b → a",
		"x<a a<b b<c c<a d": "a → b → c → a",
		"a<a":               "a → a",
	} {
		if _, err := Order(needs(text)); fault.CodeOf(err) != fault.Invalid || !strings.HasSuffix(err.Error(), ": "+want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestOrderKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := map[string][]Dependency{}
		n := rapid.IntRange(0, 8).Draw(t, "apps")
		for i := range n {
			app := fmt.Sprint(i)
			m[app] = nil
			for _, on := range rapid.SliceOfN(rapid.IntRange(0, 9), 0, 3).Draw(t, "on") {
				m[app] = append(m[app], Dependency{App: fmt.Sprint(on)})
			}
		}
		layers, err := Order(m)
		if err != nil {
			way := strings.Split(err.Error()[strings.LastIndex(err.Error(), ": ")+2:], " → ")
			for i, app := range way[:len(way)-1] {
				if !strings.Contains(fmt.Sprint(m[app]), "{"+way[i+1]+" ") {
					t.Fatalf("%v: %s does not depend on %s", way, app, way[i+1])
				}
			}
			return
		}
		seen := map[string]bool{}
		for _, layer := range layers {
			for _, app := range layer {
				for _, d := range m[app] {
					if _, among := m[d.App]; among && !seen[d.App] {
						t.Fatalf("%v: %s is before %s", layers, app, d.App)
					}
				}
			}
			for _, app := range layer {
				seen[app] = true
			}
		}
		if len(seen) != n {
			t.Fatalf("%v of %d", layers, n)
		}
	})
}
