package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/tendproc/tend/internal/config"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/proctest"
)

// runtimesAtHand are the executables to test with, and whether they strip types.
func runtimesAtHand(t *testing.T) map[string]string {
	all := map[string]string{}
	for _, n := range proctest.Nodes(t) {
		all[n.Version] = n.Path
	}
	if bun := os.Getenv("TEND_TEST_BUN"); bun != "" {
		all["bun"] = bun
	}
	return all
}

// evaluator is a command that runs configurations in dir with one runtime.
func evaluator(dir, runtime string) (*command, *bytes.Buffer) {
	var printed bytes.Buffer
	c := &command{argv: []string{"check", "x"}, values: &values{fs: pflag.NewFlagSet("", pflag.ContinueOnError)}}
	c.IO = IO{Err: &printed, Cwd: dir, Env: []string{"PATH=" + os.Getenv("PATH"), "WORD=said", runtimeVar + "=" + runtime}}
	return c, &printed
}

func TestNodeRunsConfigurations(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"package.json": `{"name": "here"}`,
		"helper.js":    `exports.fail = () => null.x`,
		// What they export.
		"plain.config.js":    `module.exports = { apps: [{ script: require('./package.json').name, args: [process.env.WORD, __dirname.length > 0] }] }`,
		"named.config.js":    `exports.apps = [{ script: 'a' }]`,
		"function.config.js": `console.log('printed'); module.exports = () => Promise.resolve([process.argv.slice(1), 2n, /x/, undefined])`,
		"module.config.mjs":  `import os from 'os'; const v = await Promise.resolve(3); export default async () => ({ v, eol: os.EOL, env: process.env.TEND_CONFIG_LOAD })`,
		"names.config.mjs":   `export const apps = [{ script: 'a' }]`,
		"esm/package.json":   `{"type": "module"}`,
		"esm/x.config.js":    `export default { apps: [import.meta.url.slice(0, 8)] }`,
		"compiled.config.js": `Object.defineProperty(exports, '__esModule', { value: true }); exports.default = { apps: 1 }`,
		"open.config.js":     `setInterval(() => {}, 1000); module.exports = 1`,
		// And what is wrong with them.
		"broken.config.js":  "const a = 1;\n\nfoo bar;\n",
		"throws.config.js":  "\nthrow new RangeError('too far')",
		"inner.config.js":   `module.exports = () => require('./helper.js').fail()`,
		"lacks.config.js":   "\n\nrequire('not-there')",
		"rejects.config.js": "module.exports = async () => {\n  throw new Error('no');\n}",
		"leaves.config.js":  `process.exit(4)`,
		"nothing.config.js": `module.exports = undefined`,
		"circle.config.js":  `const a = {}; a.a = a; module.exports = a`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for version, path := range runtimesAtHand(t) {
		t.Run(version, func(t *testing.T) {
			for _, tc := range []struct{ file, want, printed string }{
				{"plain.config.js", `{"apps":[{"args":["said",true],"script":"here"}]}`, ""},
				{"named.config.js", `{"apps":[{"script":"a"}]}`, ""},
				{"function.config.js", `[["tend","check","x"],"2","x",null]`, "printed\n"},
				{"module.config.mjs", `{"eol":"\n","v":3}`, ""},
				{"names.config.mjs", `{"apps":[{"script":"a"}]}`, ""},
				{"esm/x.config.js", `{"apps":["file:///"]}`, ""},
				{"compiled.config.js", `{"apps":1}`, ""},
				{"open.config.js", `1`, ""},
			} {
				c, printed := evaluator(dir, path)
				tree, err := c.evaluate(t.Context(), scriptLoad{File: filepath.Join(dir, tc.file)})
				if err != nil {
					t.Errorf("%s: %v", tc.file, err)
					continue
				}
				got, _ := json.Marshal(tree)
				if diff := cmp.Diff(tc.want+tc.printed, string(got)+printed.String()); diff != "" {
					t.Errorf("%s (-want +got)\n%s", tc.file, diff)
				}
			}
			for file, want := range map[string][]string{
				"broken.config.js":  {"line 3", "SyntaxError: "},
				"throws.config.js":  {"line 2", "RangeError: too far"},
				"inner.config.js":   {"helper.js, line 1", "TypeError: "},
				"lacks.config.js":   {"not-there"},
				"rejects.config.js": {"line 2", ": no"},
				"leaves.config.js":  {"(exit 4) before it had exported anything"},
				"nothing.config.js": {"exports nothing"},
				"circle.config.js":  {"TypeError: "},
			} {
				c, _ := evaluator(dir, path)
				_, err := c.evaluate(t.Context(), scriptLoad{File: filepath.Join(dir, file)})
				for _, part := range want {
					if err == nil || !strings.Contains(err.Error(), part) {
						t.Errorf("%s: error %v, want %q in it", file, err, part)
					}
				}
			}
		})
	}
}

func TestNodeRunsExpressions(t *testing.T) {
	for version, path := range runtimesAtHand(t) {
		c, _ := evaluator(t.TempDir(), path)
		for text, want := range map[string]string{
			"// pm2's\n{ name: process.env.WORD || 'd', n: [1, 2].length } // end": `{"n":2,"name":"said"}`,
			"{ a: nope }":       "line 1",
			"{ a: 1,\n  b: ] }": "SyntaxError",
		} {
			tree, err := c.evaluate(t.Context(), scriptLoad{File: "/srv/x.json", Text: &text})
			got, _ := json.Marshal(tree)
			if err != nil {
				got = []byte(err.Error())
			}
			if !strings.Contains(string(got), want) {
				t.Errorf("%s: %s gives %s, want %s", version, text, got, want)
			}
		}
	}
}

func TestNodeStripsTypes(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.config.ts")
	if err := os.WriteFile(file, []byte("interface A { script: string }\nconst a: A = { script: 'a' };\nexport default { apps: [a] }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	stripped := 0
	for version, path := range runtimesAtHand(t) {
		c, printed := evaluator(dir, path)
		_, err := c.evaluate(t.Context(), scriptLoad{File: file})
		switch {
		case err == nil && printed.Len() == 0:
			stripped++
		case err == nil:
			t.Errorf("%s printed %s", version, printed)
		case !strings.Contains(err.Error(), "does not run TypeScript"):
			t.Errorf("%s: %v", version, err)
		}
	}
	if os.Getenv("TEND_TEST_BUN") != "" && stripped < 3 {
		t.Errorf("%d runtimes strip types", stripped)
	}
}

// Whoever waits for a configuration that never ends can interrupt it.
func TestNodeThatNeverEndsIsInterrupted(t *testing.T) {
	node := proctest.FirstNode(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "x.config.js")
	if err := os.WriteFile(file, []byte(`console.log('up'); for (;;);`), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	c, _ := evaluator(dir, node.Path)
	c.Err = writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil }) // once it is up
	if _, err := c.evaluate(ctx, scriptLoad{File: file}); err == nil || ctx.Err() != context.Canceled {
		t.Errorf("error %v, context %v", err, ctx.Err())
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestWithoutARuntime(t *testing.T) {
	dir := t.TempDir()
	c, _ := evaluator(dir, "")
	c.Env = []string{"PATH=" + dir}
	_, err := c.evaluate(t.Context(), scriptLoad{File: filepath.Join(dir, "x.config.js")})
	if !errors.Is(err, errNoRuntime) || !strings.Contains(err.Error(), "looked for node, bun and deno") {
		t.Errorf("error %v", err)
	}
	// What is called JSON and is none is wrong as JSON, then.
	if err := os.WriteFile(filepath.Join(dir, "x.json"), []byte("{ a: process.env.A }"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := c.tree(t.Context(), "x.json", config.JSON); err == nil || !strings.HasPrefix(err.Error(), "line 1, column 6: ") {
		t.Errorf("error %v", err)
	}
	// A name chooses, whatever else there is; one that is not there is an error.
	c.Env = append(c.Env, runtimeVar+"=./nothing")
	if _, err := c.evaluate(t.Context(), scriptLoad{File: "/x"}); fault.CodeOf(err) != fault.NotFound || errors.Is(err, errNoRuntime) {
		t.Errorf("error %v", err)
	}
}
