package spec

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tendproc/tend/internal/fault"
)

// program is how an app is executed.
type program struct {
	script      string
	name        string // what the app is called unless a name is given
	shell       bool
	interpreter string
	args        []string // of the interpreter, before those that were given
	runtime     Runtime
}

// finder looks for programs on behalf of one command.
type finder struct {
	m      Machine
	cwd    string // of the app
	caller string // folder of the caller, the second place to look
	path   string // $PATH of the caller
}

// byExtension names the interpreters of a script by its extension, in the
// order in which they are looked for.
var byExtension = map[string][]string{
	".js": {"node"}, ".cjs": {"node"}, ".mjs": {"node"},
	".ts": {"bun", "node"}, ".mts": {"bun", "node"}, ".cts": {"bun", "node"},
	".tsx": {"bun"}, ".jsx": {"bun"},
	".sh": {"bash", "sh"}, ".py": {"python", "python3"}, ".rb": {"ruby"}, ".php": {"php"}, ".pl": {"perl"},
	".coffee": {"coffee"}, ".ls": {"lsc"},
}

// find says what word runs: a file, a command line with blanks, a program on PATH, or
// a folder that is a package of Node's. interpreter is what --interpreter says, "" for nothing.
func (f finder) find(word, interpreter string) (program, error) {
	if strings.TrimSpace(word) == "" {
		return program{}, &fault.Error{
			Code: fault.Invalid, Field: "script", Message: "no script named",
			Remedy: "Name a script or a program: tend start app.js",
		}
	}
	if strings.Contains(word, "\x00") {
		return program{}, &fault.Error{Code: fault.Invalid, Field: "script", Message: "holds a NUL byte"}
	}
	path, found := f.locate(word)
	switch {
	case found:
		p, err := f.interpreted(path, interpreter)
		p.name = baseName(path)
		return p, err
	case isPath(word):
		return f.folder(word, interpreter)
	case strings.ContainsAny(word, " \t\n") && interpreter == "":
		return f.line(word)
	case !strings.Contains(word, "/"):
		if path, err := f.m.LookPath(word, f.path); err == nil {
			return f.onPath(word, path, interpreter)
		}
		return f.folder(word, interpreter)
	}
	return program{}, f.missing(word)
}

// isPath says that word can be nothing but a path, if there is what it names.
func isPath(word string) bool {
	return word == "." || word == ".." || strings.Contains(word, "/") && !strings.ContainsAny(word, " \t\n")
}

// locate returns the file of that name, if there is one.
func (f finder) locate(word string) (path string, found bool) {
	for _, dir := range []string{f.cwd, f.caller} {
		path := absolute(f.m, dir, word)
		if info, err := f.m.Stat(path); err == nil && !info.Dir {
			return path, true
		}
	}
	return "", false
}

// folder is what Node runs for a folder.
func (f finder) folder(word, interpreter string) (program, error) {
	for _, dir := range []string{f.cwd, f.caller} {
		path := absolute(f.m, dir, word)
		if info, err := f.m.Stat(path); err != nil || !info.Dir {
			continue
		}
		main, ok := f.main(path)
		if !ok {
			return program{}, &fault.Error{
				Code: fault.Invalid, Field: "script", Message: "is a folder: " + path,
				Remedy: "It has neither an index.js nor a package.json that names a main; name the file in it that is to run.",
			}
		}
		p, err := f.interpreted(main, interpreter)
		p.name = filepath.Base(path)
		return p, err
	}
	return program{}, f.missing(word)
}

// main is the file that Node means by a folder.
func (f finder) main(dir string) (path string, found bool) {
	var pkg struct {
		Main string `json:"main"`
	}
	if text, err := f.m.ReadFile(filepath.Join(dir, "package.json")); err == nil {
		_ = json.Unmarshal(text, &pkg) // one that cannot be read names none
	}
	for _, name := range []string{pkg.Main, pkg.Main + ".js", filepath.Join(pkg.Main, "index.js"), "index.js"} {
		path := filepath.Join(dir, name)
		if info, err := f.m.Stat(path); name != "" && err == nil && !info.Dir {
			return path, true
		}
	}
	return "", false
}

func (f finder) missing(word string) error {
	e := &fault.Error{
		Code: fault.NotFound, Field: "script", Message: "script not found: " + absolute(f.m, f.cwd, word),
		Remedy: "Check the path; a word without a slash may also be a program in $PATH, and it is not.",
	}
	if strings.Contains(word, "/") {
		e.Remedy = "Check the path; it is taken from the folder " + f.cwd + "."
	}
	for _, ext := range []string{".js", ".mjs", ".cjs", ".ts", ".py", ".sh"} {
		if _, found := f.locate(word + ext); found {
			e.Remedy = "Did you mean " + word + ext + "?"
			break
		}
	}
	return e
}

// line is a command line: bash reads it, as PM2 has it.
func (f finder) line(line string) (program, error) {
	shell, err := f.first([]string{"bash", "sh"})
	if err != nil {
		return program{}, err
	}
	return program{script: line, name: baseName(strings.TrimSpace(line)), shell: true, interpreter: shell}, nil
}

func (f finder) onPath(word, path, interpreter string) (program, error) {
	p := program{script: path, name: word}
	if interpreter == "" || interpreter == "none" {
		return p, nil
	}
	p, err := f.given(path, interpreter)
	p.name = word
	return p, err
}

// interpreted says what runs the file at path.
func (f finder) interpreted(path, interpreter string) (program, error) {
	if interpreter == "none" {
		return f.itself(path)
	}
	if interpreter != "" {
		return f.given(path, interpreter)
	}
	if names, ok := byExtension[filepath.Ext(path)]; ok {
		if err := f.readable(path); err != nil {
			return program{}, err
		}
		exe, err := f.first(names)
		return program{script: path, interpreter: exe, runtime: runtimeOf(exe)}, err
	}
	info, _ := f.m.Stat(path)
	if info.Executable && !info.Readable {
		return f.itself(path)
	}
	head, err := f.m.ReadFile(path)
	if err != nil {
		return program{}, &fault.Error{
			Code: fault.Denied, Field: "script", Message: "cannot read " + path, Err: err,
			Remedy: "Name a file that the user tend runs as may read.",
		}
	}
	switch {
	case bytes.HasPrefix(head, []byte("#!")):
		return f.shebang(path, head, info.Executable)
	case isBinary(head):
		return f.itself(path)
	default: // as PM2: what is text and says nothing of itself is for Node
		exe, err := f.first([]string{"node"})
		return program{script: path, interpreter: exe, runtime: runtimeOf(exe)}, err
	}
}

func (f finder) itself(path string) (program, error) {
	if info, err := f.m.Stat(path); err != nil || !info.Executable {
		return program{}, &fault.Error{
			Code: fault.Denied, Field: "script", Message: "not executable: " + path,
			Remedy: "Make it so: chmod +x " + path,
		}
	}
	return program{script: path}, nil
}

func (f finder) given(path, interpreter string) (program, error) {
	if err := f.readable(path); err != nil {
		return program{}, err
	}
	exe, err := f.executable(interpreter)
	if err != nil {
		return program{}, err
	}
	return program{script: path, interpreter: exe, runtime: runtimeOf(exe)}, nil
}

func (f finder) readable(path string) error {
	if info, err := f.m.Stat(path); err == nil && info.Readable {
		return nil
	}
	return &fault.Error{
		Code: fault.Denied, Field: "script", Message: "cannot read " + path,
		Remedy: "Give the user that tend runs as the right to read it.",
	}
}

// executable finds the interpreter a caller named, by path or on PATH.
func (f finder) executable(name string) (string, error) {
	if !strings.Contains(name, "/") {
		if path, err := f.m.LookPath(name, f.path); err == nil {
			return path, nil
		}
		return "", noInterpreter(name)
	}
	path := absolute(f.m, f.cwd, name)
	info, err := f.m.Stat(path)
	if err != nil || info.Dir {
		return "", noInterpreter(path)
	}
	if !info.Executable {
		return "", &fault.Error{
			Code: fault.Denied, Field: "--interpreter", Message: "not executable: " + path,
			Remedy: "Make it so: chmod +x " + path,
		}
	}
	return path, nil
}

// first returns the first of the named interpreters that is on PATH.
func (f finder) first(names []string) (string, error) {
	for _, name := range names {
		if path, err := f.m.LookPath(name, f.path); err == nil {
			return path, nil
		}
	}
	return "", noInterpreter(strings.Join(names, " or "))
}

func noInterpreter(name string) error {
	e := &fault.Error{
		Code: fault.NotFound, Field: "--interpreter", Message: "interpreter not found: " + name,
		Remedy: "Install it, put it in your $PATH, or name another with --interpreter.",
	}
	if strings.Contains(name, "@") {
		e.Remedy = "Versions are not fetched; give the path of the interpreter."
	}
	return e
}

// shebang reads the "#!" line. Scripts for Node and Bun are run by them, so
// that they are known as what they are; others run themselves if they may.
func (f finder) shebang(path string, head []byte, executable bool) (program, error) {
	line, _, _ := bytes.Cut(head[2:], []byte("\n"))
	words := strings.Fields(string(line))
	if len(words) > 0 && filepath.Base(words[0]) == "env" {
		words = slices.DeleteFunc(words[1:], func(w string) bool { return w == "-S" })
		for len(words) > 0 && strings.Contains(words[0], "=") {
			words = words[1:]
		}
	}
	if len(words) == 0 {
		return f.itself(path)
	}
	runtime := runtimeOf(words[0])
	if runtime == Other && executable {
		return program{script: path}, nil
	}
	exe, err := f.executable(words[0])
	if err != nil {
		return program{}, err
	}
	return program{script: path, interpreter: exe, args: words[1:], runtime: runtime}, nil
}

// isBinary knows ELF and Mach-O files, and takes a NUL byte near the start for
// the mark of any other.
func isBinary(head []byte) bool {
	return bytes.IndexByte(head[:min(len(head), 512)], 0) >= 0
}

// runtimeOf tells Node and Bun by the name of the executable.
func runtimeOf(exe string) Runtime {
	switch base := filepath.Base(exe); strings.TrimRight(base, "0123456789.") {
	case "node", "nodejs", "node-", "node-v":
		return Node
	case "bun":
		return Bun
	}
	return Other
}

// baseName is the last part of a path up to its last dot, a leading dot
// excepted: "001-test.js" is 001-test.
func baseName(path string) string {
	base := path[strings.LastIndexByte(path, '/')+1:]
	if i := strings.LastIndexByte(base, '.'); i > 0 {
		base = base[:i]
	}
	return base
}

// NameOf is what an app is called of which only the script is known.
func NameOf(word string) string {
	if name := baseName(strings.TrimSpace(word)); checkName(name) == nil {
		return name
	}
	return "app"
}

// absolute resolves a path against a folder; "~" is the home folder.
func absolute(m Machine, dir, path string) string {
	if path == "~" || strings.HasPrefix(path, "~/") {
		if home := m.Home(); home != "" {
			path = home + path[1:]
		}
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return filepath.Clean(path)
}
