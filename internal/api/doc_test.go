package api

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/pm2"
)

// responses gives what each path answers; streams, one line of it.
var responses = map[string]func() any{
	"ping": func() any { return new(event.Info) }, "list": func() any { return new(event.Snapshot) },
	"jlist": func() any { return new([]*pm2.Object) },
	"start": newOutcome, "restart": newOutcome, "reload": newOutcome, "rollback": newOutcome, "stop": newOutcome, "delete": newOutcome,
	"reset": newOutcome, "annotate": newOutcome, "scale": newOutcome, "signal": newOutcome,
	"write": newNothing, "message": newNothing, "flush": newNothing, "reopen": newNothing, "kill": newNothing,
	"apply":   func() any { return new(event.Applied) },
	"profile": func() any { return new(Profile) },
	"watch":   func() any { return new(event.Event) }, "logs": func() any { return new(event.LogLine) },
}

func newOutcome() any { return new(event.Outcome) }
func newNothing() any { return new(nothing) }

func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPageListsTheRoutes(t *testing.T) {
	var want, got []string
	for _, rt := range routes {
		want = append(want, rt.method+" "+prefix+rt.path)
		_, command := answers[rt.path]
		if command == rt.stream {
			t.Errorf("%s: a command and a stream, or neither", rt.path)
		}
	}
	for _, m := range regexp.MustCompile("(?m)^### `(.+)`$").FindAllStringSubmatch(page(t), -1) {
		got = append(got, m[1])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes in code and page: %s", diff)
	}
	if !strings.Contains(page(t), fmt.Sprintf("`%s: %d`", versionHeader, Version)) {
		t.Error("the page names another version header")
	}
}

func TestPageListsTheCodes(t *testing.T) {
	var want, got []string
	for code, status := range statuses {
		want = append(want, fmt.Sprintf("%s %d", code, status))
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\d+) \\|").FindAllStringSubmatch(page(t), -1) {
		got = append(got, m[1]+" "+m[2])
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("codes in code and page: %s", diff)
	}
	source, err := os.ReadFile("../fault/fault.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`Code\s+= "(\w+)"`).FindAllSubmatch(source, -1) {
		if _, ok := statuses[fault.Code(m[1])]; !ok {
			t.Errorf("code %s has no status", m[1])
		}
	}
}

// Each example in the page is what the code takes and gives.
func TestPageExamples(t *testing.T) {
	sections := regexp.MustCompile("(?m)^### ").Split(page(t), -1)[1:]
	blocks := regexp.MustCompile("(?s)```(\\w+)\n(.*?)```")
	for i, rt := range routes {
		t.Run(rt.path, func(t *testing.T) {
			var json []string
			curl := ""
			for _, b := range blocks.FindAllStringSubmatch(sections[i], -1) {
				if b[1] == "sh" {
					curl += b[2]
				} else {
					json = append(json, b[2])
				}
			}
			if fresh, ok := bodies[rt.path]; ok {
				strict(t, json[0], fresh())
				json = json[1:]
				example := regexp.MustCompile(`-d '(.*)'`).FindStringSubmatch(curl)
				if example == nil {
					t.Fatal("no body in the curl example")
				}
				strict(t, example[1], fresh())
			}
			if rt.path == "upgrade" && len(json) == 0 {
				return // who could answer is gone
			}
			if len(json) != 1 {
				t.Fatalf("%d responses", len(json))
			}
			if !rt.stream {
				strict(t, json[0], responses[rt.path]())
			} else {
				for line := range strings.Lines(json[0]) {
					strict(t, line, responses[rt.path]())
				}
			}
			if !strings.Contains(curl, "http://tend"+prefix+rt.path) {
				t.Errorf("curl example: %s", curl)
			}
		})
	}
	shape := regexp.MustCompile("(?s)## Errors\n\n```json\n(.*?)```").FindStringSubmatch(page(t))
	strict(t, shape[1], new(errorBody))
}

func strict(t *testing.T, text string, v any) {
	t.Helper()
	if err := decodeStrict(bytes.NewReader([]byte(text)), v); err != nil {
		t.Errorf("%v in %s", err, text)
	}
}

// Each field that travels is shown.
func TestPageShowsEveryField(t *testing.T) {
	text := page(t)
	seen := map[reflect.Type]bool{}
	var visit func(reflect.Type)
	visit = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] || !strings.Contains(typ.PkgPath(), "tend/") {
			return
		}
		seen[typ] = true
		for f := range typ.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "-" {
				continue
			}
			if !strings.Contains(text, `"`+name+`"`) && !strings.Contains(text, "`"+name+"`") {
				t.Errorf("%s.%s: the page does not show %q", typ, f.Name, name)
			}
			visit(f.Type)
		}
	}
	for _, fresh := range bodies {
		visit(reflect.TypeOf(fresh()))
	}
	for _, fresh := range responses {
		visit(reflect.TypeOf(fresh()))
	}
	visit(reflect.TypeFor[errorBody]())
	visit(reflect.TypeFor[LogsRequest]())
}
