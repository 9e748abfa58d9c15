package config

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tendproc/tend/internal/proctest"
)

var update = flag.Bool("update", false, "rewrite the schema and the page")

const (
	schemaFile = "../../schema/tend.schema.json"
	page       = "../../docs/configuration.md"
)

func TestSchemaIsShipped(t *testing.T) {
	if *update {
		if err := os.WriteFile(schemaFile, []byte(Schema()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Schema(), string(text)); diff != "" {
		t.Errorf("run go run ./internal/tools/golden (-want +got)\n%s", diff)
	}
}

// The page lists the keys as the table has them.
func TestPageListsTheKeys(t *testing.T) {
	const from, to = "<!-- keys -->\n", "<!-- end of keys -->\n"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), from)
	listed, tail, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		t.Fatal("the page has no place for the keys")
	}
	if *update {
		if err := os.WriteFile(page, []byte(head+from+Markdown()+to+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if diff := cmp.Diff(Markdown(), listed); diff != "" {
		t.Errorf("run go run ./internal/tools/golden (-want +got)\n%s", diff)
	}
}

// A real validator says of each value what the code says.
func TestNodeValidatorAgrees(t *testing.T) {
	node := proctest.FirstNode(t)
	modules := proctest.Modules(t)
	var texts []string
	for key, values := range good {
		for value := range values {
			texts = append(texts, one(key, value))
		}
	}
	for _, k := range Keys {
		if k.set == nil {
			texts = append(texts, one(k.Name, `"x"`), one(k.Name, `[1]`))
			continue
		}
		for _, kind := range bad {
			for _, value := range kind {
				texts = append(texts, one(k.Name, value))
			}
		}
	}
	texts = append(
		texts, `[]`, `{}`, `[{"script": "a"}]`, `{"apps": {"script": "a"}}`, `{"apps": []}`, `{"apps": [{"script": "a"}], "x": 1}`, `{"pm2": [{"cmd": "a"}], "deploy": {}}`,
		`[{"name": "a"}]`, `7`, `{"script": "a", "env_x": {"A": 1}}`, `{"script": "a", "scrip": "b"}`,
	)
	slices.Sort(texts)
	for i, valid := range validate(t, node.Path, modules, texts) {
		f := read(t, texts[i])
		if strings.Contains(texts[i], "'open") {
			continue // whether a quotation is closed no schema can say
		}
		// Of the section that read asks for, the schema knows nothing.
		f.Problems = slices.DeleteFunc(f.Problems, func(p Problem) bool { return p.Key == "--env" || strings.Contains(p.Message, " yet") || later(p.Key) })
		if err := f.Err(true); (err == nil) != valid {
			t.Errorf("the schema says %v, the code %v: %s", valid, err, texts[i])
		}
	}
}

func later(key string) bool {
	return slices.ContainsFunc(Keys, func(k Key) bool { return k.Later != "" && k.Name == key })
}

const validator = `
const Ajv = require(process.argv[1] + '/ajv');
const validate = new Ajv({ strict: false, allErrors: false }).compile(JSON.parse(process.argv[2]));
let text = ''; process.stdin.on('data', d => text += d).on('end', () => console.log(JSON.stringify(JSON.parse(text).map(v => validate(v)))));
`

func validate(t *testing.T, node, modules string, texts []string) (valid []bool) {
	t.Helper()
	cmd := exec.Command(node, "-e", validator, modules, Schema())
	cmd.Stdin = strings.NewReader("[" + strings.Join(texts, ",") + "]")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &valid); err != nil || len(valid) != len(texts) {
		t.Fatalf("%v: %s", err, out)
	}
	return valid
}
