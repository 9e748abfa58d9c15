package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/tendproc/tend"

// source is one parsed Go file of the module.
type source struct {
	pkg   string // folder relative to the module root: "internal/sys", "" for the root
	path  string // relative to the module root
	test  bool
	ast   *ast.File
	fset  *token.FileSet
	lines int
}

func (s source) at(n ast.Node) string {
	return s.path + ":" + strconv.Itoa(s.fset.Position(n.Pos()).Line)
}

// imports gives the import paths of the file.
func (s source) imports() []string {
	var out []string
	for _, im := range s.ast.Imports {
		path, err := strconv.Unquote(im.Path.Value)
		if err == nil {
			out = append(out, path)
		}
	}
	return out
}

// local turns an import path into a folder of this module.
func local(path string) (pkg string, ok bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

// tree parses every Go file of the module once, for every operating system.
var tree = sync.OnceValues(func() ([]source, error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return nil, err
	}
	var out []source
	fset := token.NewFileSet()
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules" || name == "bin") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(filepath.Dir(rel))
		if pkg == "." {
			pkg = ""
		}
		out = append(out, source{
			pkg: pkg, path: filepath.ToSlash(rel), test: strings.HasSuffix(name, "_test.go"),
			ast: file, fset: fset, lines: fset.File(file.Pos()).LineCount(),
		})
		return nil
	})
	return out, err
})

// product gives the files that are linked into something people run or
// import: no tests.
func product(t *testing.T) []source {
	t.Helper()
	all, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	var out []source
	for _, s := range all {
		if !s.test {
			out = append(out, s)
		}
	}
	return out
}
