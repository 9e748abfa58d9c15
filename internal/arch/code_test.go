package arch

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"
)

// The budgets of one piece of code.
const (
	maxFile     = 500
	maxFunc     = 60 // lines of the body
	maxBranches = 15
	maxParams   = 4 // after ctx
	maxFields   = 15
	maxSwitch   = 150 // lines of a body that is one flat switch
	maxCase     = 25  // lines of one case in it
)

func TestFilesStayShort(t *testing.T) {
	for _, s := range product(t) {
		if s.lines > maxFile {
			t.Errorf("%s has %d lines; split it by noun (%d)", s.path, s.lines, maxFile)
		}
	}
}

func TestFunctionsStaySmall(t *testing.T) {
	for _, s := range product(t) {
		for _, d := range s.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := params(fn); n > maxParams {
				t.Errorf("%s: %s takes %d parameters (%d)", s.at(fn), fn.Name.Name, n, maxParams)
			}
			if fn.Body == nil {
				continue
			}
			lines, branch := bodyLines(s, fn.Body), branches(fn.Body)
			if flat(s, fn.Body) {
				if lines > maxSwitch {
					t.Errorf("%s: the switch %s has %d lines (%d)", s.at(fn), fn.Name.Name, lines, maxSwitch)
				}
				continue
			}
			if lines > maxFunc {
				t.Errorf("%s: %s has %d lines (%d)", s.at(fn), fn.Name.Name, lines, maxFunc)
			}
			if branch > maxBranches {
				t.Errorf("%s: %s has %d branches (%d)", s.at(fn), fn.Name.Name, branch, maxBranches)
			}
		}
	}
}

func bodyLines(s source, b *ast.BlockStmt) int {
	return max(0, s.fset.Position(b.Rbrace).Line-s.fset.Position(b.Lbrace).Line-1)
}

// params counts parameters, less a leading ctx.
func params(fn *ast.FuncDecl) (n int) {
	for i, f := range fn.Type.Params.List {
		names := max(1, len(f.Names))
		if sel, ok := f.Type.(*ast.SelectorExpr); ok && i == 0 && sel.Sel.Name == "Context" {
			names--
		}
		n += names
	}
	return n
}

// branches counts the places where control parts: if, for, case. A function
// literal counts to the function around it.
func branches(n ast.Node) (count int) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			count++
		case *ast.CaseClause:
			if n.List != nil {
				count++
			}
		case *ast.CommClause:
			if n.Comm != nil {
				count++
			}
		}
		return true
	})
	return count
}

// flat tells that the body is little more than one switch of short cases: a
// Step or a codec.
func flat(s source, body *ast.BlockStmt) bool {
	stmts := body.List
	if len(stmts) > 0 {
		if loop, ok := stmts[len(stmts)-1].(*ast.ForStmt); ok {
			stmts = loop.Body.List
		}
	}
	for _, st := range stmts {
		var cases *ast.BlockStmt
		switch st := st.(type) {
		case *ast.SwitchStmt:
			cases = st.Body
		case *ast.TypeSwitchStmt:
			cases = st.Body
		default:
			continue
		}
		if 5*bodyLines(s, cases) < 3*bodyLines(s, body) {
			continue
		}
		return !slices.ContainsFunc(cases.List, func(c ast.Stmt) bool {
			return s.fset.Position(c.End()).Line-s.fset.Position(c.Pos()).Line > maxCase
		})
	}
	return false
}

// A struct that holds state behind unexported fields is a machine; past some
// size nobody can say which of its states are legal. Plain data may be wide.
func TestStateStaysSmall(t *testing.T) {
	for _, s := range product(t) {
		ast.Inspect(s.ast, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			st, ok := spec.Type.(*ast.StructType)
			if !ok {
				return true
			}
			fields, hidden, mutexes := count(st)
			if hidden && fields > maxFields {
				t.Errorf("%s: %s holds state in %d fields (%d)", s.at(spec), spec.Name.Name, fields, maxFields)
			}
			if mutexes > 1 {
				t.Errorf("%s: %s has %d mutexes; one guards one thing", s.at(spec), spec.Name.Name, mutexes)
			}
			return true
		})
	}
}

func count(st *ast.StructType) (fields int, hidden bool, mutexes int) {
	for _, f := range st.Fields.List {
		fields += max(1, len(f.Names))
		for _, name := range f.Names {
			hidden = hidden || (!name.IsExported() && name.Name != "_")
		}
		if sel, ok := f.Type.(*ast.SelectorExpr); ok && (sel.Sel.Name == "Mutex" || sel.Sel.Name == "RWMutex") {
			mutexes += max(1, len(f.Names))
		}
	}
	return fields, hidden, mutexes
}

// call is one use of a function of an imported package, by its last name.
type call struct {
	pkg, name string
	node      ast.Node
}

func calls(s source) (out []call) {
	named := map[string]string{} // name in the file → import path
	for _, im := range s.ast.Imports {
		p := strings.Trim(im.Path.Value, `"`)
		name := path.Base(p)
		if im.Name != nil {
			name = im.Name.Name
		}
		named[name] = p
	}
	ast.Inspect(s.ast, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if id, ok := sel.X.(*ast.Ident); ok && id.Obj == nil && named[id.Name] != "" {
			out = append(out, call{pkg: named[id.Name], name: sel.Sel.Name, node: sel})
		}
		return true
	})
	return out
}

// forbidden are calls with one home; the reason is what to do instead.
// .golangci.yml says the same to editors.
var forbidden = []struct {
	pkg, name string
	homes     []string
	reason    string
}{
	{"os/exec", "Command", []string{"child"}, "child starts processes: it holds a pidfd and waits once"},
	{"os/exec", "CommandContext", []string{"child"}, "child starts processes: it holds a pidfd and waits once"},
	{"os", "StartProcess", []string{"child"}, "child starts processes: it holds a pidfd and waits once"},
	{"syscall", "Kill", []string{"internal/sys"}, "pids are reused, process descriptors are not"},
	{"os", "FindProcess", []string{"internal/sys"}, "pids are reused, process descriptors are not"},
	{"time", "Sleep", nil, "wait for what you wait for"},
	{"os", "WriteFile", nil, "write beside, sync, rename; else a crash leaves half a file"},
	{"os", "Exit", []string{"cmd/tend", "process"}, "deferred work is skipped; return an error to main"},
	{"context", "Background", []string{"cmd/tend"}, "take the caller's ctx"},
	{"context", "TODO", nil, "take the caller's ctx"},
	{"fmt", "Print", []string{"internal/cli"}, "only the command line talks to a person"},
	{"fmt", "Printf", []string{"internal/cli"}, "only the command line talks to a person"},
	{"fmt", "Println", []string{"internal/cli"}, "only the command line talks to a person"},
}

func TestForbiddenCalls(t *testing.T) {
	for _, s := range product(t) {
		if isBeside(s.pkg) {
			continue
		}
		for _, c := range calls(s) {
			for _, f := range forbidden {
				if c.pkg == f.pkg && c.name == f.name && !slices.Contains(f.homes, s.pkg) {
					t.Errorf("%s: %s.%s: %s", s.at(c.node), path.Base(c.pkg), c.name, f.reason)
				}
			}
		}
	}
}

// The house words (docs/ARCHITECTURE.md): an init runs in every verb, and a
// Manager says nothing about what it knows.
func TestNamesAndInit(t *testing.T) {
	vague := []string{"Manager", "Helper", "Util", "Utils"}
	for _, s := range product(t) {
		for _, d := range s.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.Name == "init" && d.Recv == nil && !isBeside(s.pkg) {
					t.Errorf("%s: init runs in every verb, the keeper and the daemon", s.at(d))
				}
			case *ast.GenDecl:
				if d.Tok != token.TYPE {
					continue
				}
				for _, sp := range d.Specs {
					name := sp.(*ast.TypeSpec).Name.Name
					if slices.ContainsFunc(vague, func(v string) bool { return strings.HasSuffix(name, v) }) {
						t.Errorf("%s: %s: say what it knows, not that it manages", s.at(sp), name)
					}
				}
			}
		}
	}
}
