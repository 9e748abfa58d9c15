package arch

import (
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	namedTest = regexp.MustCompile("`([a-z]+)\\.((?:Test|Fuzz)\\w+)`")
	codeBlock = regexp.MustCompile("(?s)```.*?```")
	pageLink  = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
)

// The protocol pages name the test behind each statement; it must be there.
func TestProtocolPagesNameRealTests(t *testing.T) {
	all, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{} // "wire.TestClassify"
	for _, s := range all {
		if !s.test {
			continue
		}
		for _, d := range s.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				there[path.Base(s.pkg)+"."+fn.Name.Name] = true
			}
		}
	}
	pages, err := filepath.Glob("../../docs/protocol/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no protocol pages: %v", err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range namedTest.FindAllStringSubmatch(string(text), -1) {
			if name := m[1] + "." + m[2]; !there[name] {
				t.Errorf("%s names %s, which does not exist", filepath.Base(page), name)
			}
		}
		for i, paragraph := range regexp.MustCompile(`\n- |\n\n`).Split(string(text), -1) {
			if strings.Contains(string(text), "\n- "+paragraph) && !namedTest.MatchString(paragraph) {
				t.Errorf("%s, statement %d has no test: %.60q", filepath.Base(page), i, paragraph)
			}
		}
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	pages := []string{"../../README.md", "../../CONTRIBUTING.md", "../../CHANGELOG.md"}
	for _, glob := range []string{"../../docs/*.md", "../../docs/*/*.md", "../../bench/*.md"} {
		more, err := filepath.Glob(glob)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, more...)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range pageLink.FindAllStringSubmatch(codeBlock.ReplaceAllString(string(text), ""), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
			}
		}
	}
}
