package spec

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/tendproc/tend/internal/fault"
)

// Entry is what [Select] sees of an instance.
type Entry struct {
	ID        int
	Name      string // of its app
	Namespace string
	Script    string // absolute path
	Module    bool   // "all" does not mean it
}

// Select returns the ids of the entries that target names, in the order of
// list, and a NotFound fault when there is none. In this order target is:
// "all", modules apart; "/regex/" over names; for a word, a name or the path of a script
// (relative to cwd), else a namespace; for a number, a name, else a namespace,
// else an id; for "id:7" that id, and nothing else.
func Select(list []Entry, target, cwd string) ([]int, error) {
	if IsConfig(target) {
		return nil, configFault(target)
	}
	if target == "all" {
		if ids := pick(list, func(e Entry) bool { return !e.Module }); len(ids) > 0 {
			return ids, nil
		}
		return nil, &fault.Error{
			Code: fault.NotFound, Message: "there is no app",
			Remedy: "Start one: tend start app.js",
		}
	}
	if expr, ok := Regex(target); ok {
		return selectRegex(list, expr)
	}
	for _, match := range readings(target, cwd) {
		if ids := pick(list, match); len(ids) > 0 {
			return ids, nil
		}
	}
	return nil, unknown(list, target)
}

// readings are what a target may mean, the first that finds anything counting.
func readings(target, cwd string) []func(Entry) bool {
	named := func(e Entry) bool { return e.Name == target }
	if id, ok := byID(target); ok {
		return []func(Entry) bool{func(e Entry) bool { return e.ID == id }, named}
	}
	spaced := func(e Entry) bool { return e.Namespace == target }
	if id, ok := number(target); ok {
		return []func(Entry) bool{named, spaced, func(e Entry) bool { return e.ID == id }}
	}
	path := target
	if !filepath.IsAbs(path) {
		path = filepath.Join(cwd, path)
	}
	return []func(Entry) bool{func(e Entry) bool { return e.Name == target || e.Script == path }, spaced}
}

func selectRegex(list []Entry, expr string) ([]int, error) {
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, &fault.Error{
			Code: fault.Invalid, Field: "target", Message: "bad expression", Err: err,
			Remedy: "Expressions are those of Go's regexp package, between slashes: /^web-/",
		}
	}
	ids := pick(list, func(e Entry) bool { return re.MatchString(e.Name) })
	if len(ids) == 0 {
		return nil, &fault.Error{
			Code: fault.NotFound, Message: fmt.Sprintf("no name matches /%s/", expr),
			Remedy: "tend ls shows what there is.",
		}
	}
	return ids, nil
}

// Known returns the ids that the word of a start command names among what is
// known already: all, by name, else by namespace (words without a slash and an
// extension), else by id. None means that the word is a script or a program.
func Known(list []Entry, word string) []int {
	if word == "all" {
		return pick(list, func(e Entry) bool { return !e.Module })
	}
	if id, ok := byID(word); ok {
		if ids := pick(list, func(e Entry) bool { return e.ID == id }); len(ids) > 0 {
			return ids
		}
	}
	if ids := pick(list, func(e Entry) bool { return e.Name == word }); len(ids) > 0 {
		return ids
	}
	if !strings.Contains(word, "/") && filepath.Ext(word) == "" {
		if ids := pick(list, func(e Entry) bool { return e.Namespace == word }); len(ids) > 0 {
			return ids
		}
	}
	if id, ok := number(word); ok {
		return pick(list, func(e Entry) bool { return e.ID == id })
	}
	return nil
}

// ByID is the target that means an id, also where an app has it for a name.
func ByID(id int) string { return "id:" + strconv.Itoa(id) }

func byID(target string) (id int, ok bool) {
	text, ok := strings.CutPrefix(target, "id:")
	if ok {
		id, ok = number(text)
	}
	return id, ok
}

// Regex returns the expression of a target written "/expression/".
func Regex(target string) (expr string, ok bool) {
	if len(target) < 3 || target[0] != '/' || target[len(target)-1] != '/' {
		return "", false
	}
	return target[1 : len(target)-1], true
}

// ConfigNames are the configuration files that start looks for where it is told
// nothing, in this order.
var ConfigNames = []string{
	"ecosystem.config.js", "ecosystem.config.cjs", "ecosystem.config.mjs", "ecosystem.config.ts", "ecosystem.json",
	"ecosystem.config.json", "ecosystem.yml", "ecosystem.yaml", "ecosystem.config.yml", "ecosystem.config.yaml",
	"ecosystem.toml", "ecosystem.config.toml", "process.json", "process.yml", "process.yaml", "Procfile",
}

// IsConfig says whether the word is a configuration file: by PM2's marks
// anywhere in its last part, by the extension .toml, by the name Procfile; or
// "-", for standard input. Words with blanks are command lines.
func IsConfig(word string) bool {
	base := filepath.Base(word)
	if word == "-" {
		return true
	}
	if strings.ContainsAny(word, " \t\n") {
		return false
	}
	for _, ext := range []string{".json", ".yml", ".yaml", ".config.js", ".config.cjs", ".config.mjs", ".config.ts", ".config.mts", ".config.cts"} {
		if strings.Contains(base, ext) {
			return true
		}
	}
	return strings.HasSuffix(base, ".toml") || base == "Procfile" || strings.HasPrefix(base, "Procfile.")
}

func configFault(word string) error {
	return &fault.Error{
		Code: fault.Unsupported, Message: printable(word) + " is a configuration file, which the daemon does not read",
		Remedy: "On the command line start, restart, reload, stop, delete and apply take files; else name an app. The API takes what a file declares: apply.",
	}
}

func pick(list []Entry, match func(Entry) bool) (ids []int) {
	for _, e := range list {
		if match(e) {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

func number(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0 && s[0] != '+' && s[0] != '-'
}

func unknown(list []Entry, target string) error {
	var names []string
	for _, e := range list {
		names = append(names, e.Name, e.Namespace)
	}
	remedy := "tend ls shows what there is."
	if near := Nearest(target, names); near != "" {
		remedy = fmt.Sprintf("Did you mean %s? tend ls shows what there is.", near)
	}
	if id, ok := byID(target); ok {
		return &fault.Error{Code: fault.NotFound, Message: fmt.Sprintf("no process has the id %d", id), Remedy: remedy}
	}
	return &fault.Error{Code: fault.NotFound, Message: fmt.Sprintf("no app, namespace or id %q", target), Remedy: remedy}
}
