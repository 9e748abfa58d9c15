package config

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/tendproc/tend/internal/fault"
)

func remedyOf(err error) string {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e.Remedy
	}
	return ""
}

func TestFormatOf(t *testing.T) {
	for file, want := range map[string]Format{
		"ecosystem.config.js": Script, "/srv/x.config.cjs": Script, "a.config.mjs": Script, "a.config.ts": Script,
		"process.json": JSON, "-": JSON, "a.json5": JSON, "apps.json.bak": JSON, "a.yml": YAML, "a.yaml": YAML, "a.yml.dist": YAML,
		"a.toml": TOML, "Procfile": Procfile, "dir/Procfile.dev": Procfile, "a.s": JSON,
	} {
		if got := FormatOf(file); got != want {
			t.Errorf("%s: %s, want %s", file, got, want)
		}
	}
}

func TestDecode(t *testing.T) {
	for _, tc := range []struct {
		format     Format
		text, want string
	}{
		{JSON, `{"a": [1, 1.50, 1e21, "x", true, null]}`, `{"a":[1,1.5,1e+21,"x",true,null]}`},
		{JSON, "\ufeff// comment\n{ a: 'x', /* more */ b: [1, ], }", `{"a":"x","b":[1]}`},
		{YAML, "a: 1\nb: yes\nc: 1.0\nd: 0x10\ne: 2020-01-01\nf: ~\ng: [a, {b: c}]\nh: 'x: y'\ni: .inf\n", `{"a":1,"b":"yes","c":1,"d":16,"e":"2020-01-01","f":null,"g":["a",{"b":"c"}],"h":"x: y","i":"+Inf"}`},
		{YAML, "base: &b {x: 1, y: 2}\nkid: {<<: *b, y: 3}\n", `{"base":{"x":1,"y":2},"kid":{"x":1,"y":3}}`},
		{TOML, "a = 1\n[[apps]]\nscript = 'x'\nenv = { A = 1.5, B = 2020-01-01T00:00:00Z }\n[[apps]]\n", `{"a":1,"apps":[{"env":{"A":1.5,"B":"2020-01-01T00:00:00Z"},"script":"x"},{}]}`},
		{Procfile, "# all\nweb: node a.js --port $PORT\n\nworker:  bundle exec x: y \n", `{"apps":[{"name":"web","script":"node a.js --port $PORT"},{"name":"worker","script":"bundle exec x: y"}]}`},
	} {
		tree, err := Decode(tc.format, []byte(tc.text))
		if err != nil {
			t.Errorf("%s: %v in %s", tc.format, err, tc.text)
			continue
		}
		got, err := json.Marshal(tree)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: got %s, %v, want %s", tc.format, got, err, tc.want)
		}
	}
}

func TestDecodeSaysWhere(t *testing.T) {
	for _, tc := range []struct {
		format     Format
		text, want string
	}{
		{JSON, "{\n  a: 1\n  b: 2 }", "line 3, column 3: "},
		{JSON, "{ a: process.env.A }", "line 1, column 6: "},
		{JSON, "", "line 1, column 1: "},
		{YAML, "a: 1\nb: [1, 2\nc: 3\n", "line 3, column 1: "},
		{YAML, "a:\n\t- b\n", "line 2, column 1: "},
		{TOML, "a = 1\nb = \n", "line 2, column 5: "},
		{TOML, "a = 1\na = 2\n", "line 2, column 7: "},
		{Procfile, "web: node a.js\n\nnode b.js\n", "line 3: not NAME: COMMAND"},
	} {
		_, err := Decode(tc.format, []byte(tc.text))
		if fault.CodeOf(err) != fault.Invalid || !strings.HasPrefix(err.Error(), tc.want) || remedyOf(err) == "" {
			t.Errorf("%s %q: %v, want %s…", tc.format, tc.text, err, tc.want)
		}
	}
	for format, text := range map[Format]string{JSON: "[" + strings.Repeat("1,", maxNodes) + "1]", YAML: bomb(), TOML: strings.Repeat("# x\n", MaxSize)} {
		if _, err := Decode(format, []byte(text)); fault.CodeOf(err) != fault.TooLarge {
			t.Errorf("%s of no end: %v", format, err)
		}
	}
}

// bomb is a text in which each line says the one before ten times.
func bomb() string {
	text := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 6 {
		now, last := string(rune('1'+i)), string(rune('0'+i))
		text += "a" + now + ": &a" + now + " [" + strings.TrimSuffix(strings.Repeat("*a"+last+", ", 10), ", ") + "]\n"
	}
	return text
}

func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		`{apps: [{script: 'a.js', env: {A: 1}}]}`, "apps:\n  - script: a\n    env: {A: 1}\n", "[[apps]]\nscript = 'a'\n", "web: node a.js\n", "a: &b [*b]", "? [a]: b", "{a: 0x}", "? 1: 2\n: 3",
	} {
		for _, format := range []Format{JSON, YAML, TOML, Procfile} {
			f.Add(string(format), []byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, format string, text []byte) {
		tree, err := Decode(Format(format), text)
		if err != nil {
			if c := fault.CodeOf(err); c != fault.Invalid && c != fault.TooLarge {
				t.Fatalf("code %s: %v", c, err)
			}
			return
		}
		again, err := json.Marshal(tree)
		if err != nil {
			t.Fatalf("a tree that is no JSON: %v", err)
		}
		if _, err := DecodeResult(again); err != nil {
			t.Fatalf("%v in %s", err, again)
		}
		file := Read(tree, Query{Section: "dev", Cwd: "/", ReadFile: func(string) ([]byte, error) { return text, nil }})
		for _, d := range file.Apps {
			if d.Word == "" || d.Options.Name == nil || *d.Options.Name == "" {
				t.Fatalf("an app without a script or a name: %+v", d)
			}
		}
		if len(file.Apps) == 0 && file.Err(false) == nil {
			t.Fatal("neither an app nor an error")
		}
	})
}
