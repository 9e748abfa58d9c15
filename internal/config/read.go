package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/spec"
)

// Query says what of a file is wanted.
type Query struct {
	Origin   string            // the file, absolute; "" for none
	Section  string            // NAME of env_NAME; "" for env alone
	Only     []string          // names of apps; none for all
	Env      map[string]string // variables over all that the file says
	EnvFiles []string          // files of variables below all that the file says, absolute
	Cwd      string            // folder that relative paths are taken from
	Server   []string          // the program that serves files, and its first arguments; none: no script means it
	Lenient  bool              // a file without apps, or without those of Only, is no error, as with PM2
	// ReadFile reads an env_file. Its error is the reason alone.
	ReadFile func(path string) ([]byte, error)
}

// File is what a configuration declares.
type File struct {
	Apps     []spec.Declared
	Problems []Problem
}

// Problem is something about a file that its author should know.
type Problem struct {
	App     string `json:"app,omitempty"` // name, or "app 2" where there is none
	Key     string `json:"key,omitempty"`
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`
	Fatal   bool   `json:"fatal,omitempty"` // the file cannot be used
}

func (p Problem) String() string {
	var parts []string
	for _, s := range []string{p.App, p.Key, p.Message} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
}

// Err is the first fatal problem as an error, nil if there is none. With strict,
// every problem is fatal.
func (f File) Err(strict bool) error {
	var first *fault.Error
	more := 0
	for _, p := range f.Problems {
		switch {
		case !p.Fatal && !strict:
		case first == nil:
			first = &fault.Error{Code: fault.Invalid, Op: p.App, Field: p.Key, Message: p.Message, Remedy: p.Remedy}
		default:
			more++
		}
	}
	if first == nil {
		return nil
	}
	switch {
	case more == 1:
		first.Remedy = strings.TrimSpace(first.Remedy + " There is one more problem; tend check lists them.")
	case more > 1:
		first.Remedy = strings.TrimSpace(fmt.Sprintf("%s There are %d more problems; tend check lists them.", first.Remedy, more))
	}
	return first
}

// app is one that is being read.
type app struct {
	spec.Declared
	label    string // for problems
	append   bool   // append_env_to_name
	env      map[string]string
	envFiles []string
	port     string
}

// reader reads one file.
type reader struct {
	Query
	deploy   map[string]any
	static   []any    // apps of the sites
	undefed  []string // apps without the section
	problems []Problem
}

// Read makes apps of what [Decode] gave.
func Read(tree any, q Query) File {
	r := &reader{Query: q}
	var list []spec.Declared
	var names []string
	for i, v := range r.apps(tree) {
		a := r.app(i, v)
		if a.Word == "" {
			continue
		}
		name := *a.Options.Name
		names = append(names, name)
		if len(q.Only) == 0 || slices.Contains(q.Only, name) || slices.Contains(q.Only, a.label) {
			list = append(list, a.Declared)
		}
	}
	for _, only := range q.Only {
		if !slices.ContainsFunc(list, func(d spec.Declared) bool { return matches(d, only, q.Section) }) {
			p := Problem{Key: "--only", Message: fmt.Sprintf("no app is called %q", only), Fatal: !q.Lenient, Remedy: "There are " + strings.Join(names, ", ") + "."}
			if near := spec.Nearest(only, names); near != "" {
				p.Remedy = "Did you mean " + near + "?"
			}
			r.problems = append(r.problems, p)
		}
	}
	if q.Section != "" && len(r.undefed) == len(names) && len(names) > 0 {
		r.warn("", "--env", fmt.Sprintf("no app has env_%s", q.Section), "Without it env alone counts.")
	}
	return File{Apps: list, Problems: r.problems}
}

// matches says whether an app is meant by its name, with or without the section's.
func matches(d spec.Declared, name, section string) bool {
	return *d.Options.Name == name || section != "" && *d.Options.Name == name+"-"+section
}

func (r *reader) fatal(app, key, message, remedy string) {
	r.problems = append(r.problems, Problem{app, key, message, remedy, true})
}

func (r *reader) warn(app, key, message, remedy string) {
	r.problems = append(r.problems, Problem{app, key, message, remedy, false})
}

// apps finds the list of apps in a file's tree.
func (r *reader) apps(tree any) []any {
	const remedy = `Write { "apps": [ { "script": "app.js" } ] }.`
	m, ok := tree.(map[string]any)
	list := tree
	if ok {
		list = r.top(m)
	}
	switch v := list.(type) {
	case map[string]any:
		return append([]any{v}, r.static...)
	case []any:
		if all := slices.Concat(v, r.static); len(all) > 0 {
			return all
		}
		r.problems = append(r.problems, Problem{Message: "declares no app", Remedy: remedy, Fatal: !r.Lenient})
	default:
		r.fatal("", "apps", "cannot be "+described(list), remedy)
	}
	return nil
}

// top reads the keys beside the apps, and returns the apps, or the one.
func (r *reader) top(m map[string]any) any {
	at, list := "apps", m["apps"]
	if list == nil {
		at, list = "pm2", m["pm2"]
	}
	if list == nil && len(m) == 0 {
		return []any{}
	}
	r.deploy, _ = m["deploy"].(map[string]any)
	r.static = r.sites(m["static"])
	if list == nil { // an app, all by itself
		one := maps.Clone(m)
		maps.DeleteFunc(one, func(key string, _ any) bool { return topKeys[key] })
		if len(one) == 0 && len(r.static) > 0 {
			return []any{}
		}
		return one
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if !topKeys[key] {
			r.warn("", key, "unknown beside "+at, suggestion(key, slices.Collect(maps.Keys(topKeys))))
		}
	}
	return list
}

func suggestion(key string, from []string) string {
	slices.Sort(from)
	if near := spec.Nearest(key, from); near != "" {
		return "Did you mean " + near + "?"
	}
	return "It is ignored; docs/configuration.md lists the keys."
}

// app reads the i-th app.
func (r *reader) app(i int, v any) app {
	a := app{label: fmt.Sprintf("app %d", i+1)}
	m, ok := v.(map[string]any)
	if !ok {
		r.fatal(a.label, "", "cannot be "+described(v), `Write an object: { "script": "app.js" }.`)
		return a
	}
	for _, k := range Keys[:2] { // of script and name
		for _, word := range k.names() {
			if text, err := asText(m[word]); err == nil && strings.TrimSpace(text) != "" {
				a.label = spec.NameOf(text)
				if k.Name == "name" {
					a.label = text
				}
				break
			}
		}
	}
	used := r.keys(&a, m)
	r.unknown(a, m, used)
	if a.Word == "" {
		if !slices.ContainsFunc(r.problems, func(p Problem) bool { return p.Fatal && p.App == a.label && p.Key == "script" }) {
			r.fatal(a.label, "script", "is missing", `Say what to run: script: "app.js".`)
		}
		return a
	}
	r.served(&a)
	if a.Options.Name == nil || *a.Options.Name == "" {
		name := spec.NameOf(a.Word)
		a.Options.Name = &name
	}
	a.Origin = r.Origin
	if a.append && r.Section != "" {
		name := *a.Options.Name + "-" + r.Section
		a.Options.Name = &name
	}
	if a.append && r.Origin != "" {
		a.Origin = OriginOf(r.Origin, r.Section)
	}
	r.environment(&a, m)
	return a
}

// OriginOf is the origin of apps that carry the section's name in theirs: those
// of another section of the same file are not theirs to replace.
func OriginOf(file, section string) string { return file + "#" + section }

// keys reads all keys that are known, and returns the words that they were.
func (r *reader) keys(a *app, m map[string]any) (used []string) {
	for _, k := range Keys {
		var given []string
		for _, name := range k.names() {
			if v, ok := m[name]; ok {
				used = append(used, name)
				if v != nil {
					given = append(given, name)
				}
			}
		}
		if len(given) == 0 {
			continue
		}
		if len(given) > 1 {
			r.warn(a.label, given[1], "means the same as "+given[0]+", which counts", "Leave one of them out.")
		}
		r.key(a, k, given[0], m[given[0]])
	}
	return used
}

func (r *reader) key(a *app, k Key, word string, v any) {
	switch {
	case k.Ignored != "":
		return
	case k.Later != "":
		if asks(v, k.usual) {
			r.warn(a.label, word, k.Later, "Leave it out, or go on without.")
		}
		return
	case v == "" && k.Kind != Words: // as if it were not there
		return
	}
	err := k.set(a, v)
	if err == nil {
		return
	}
	remedy := remedies[k.Kind]
	if remedy != "" {
		remedy = fmt.Sprintf(remedy, word)
	}
	r.fatal(a.label, word, err.Error(), remedy)
}

// unknown tells of keys that nobody knows.
func (r *reader) unknown(a app, m map[string]any, used []string) {
	var all []string
	for _, k := range Keys {
		all = append(all, k.names()...)
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if strings.HasPrefix(key, "env_") || slices.Contains(used, key) {
			continue
		}
		r.warn(a.label, key, "unknown key", suggestion(key, all))
	}
}

// environment lays the app's variables over each other, the last counting: its
// files, what deploy says of the section, env, port, the section, the command line.
func (r *reader) environment(a *app, m map[string]any) {
	env := map[string]string{}
	for _, path := range slices.Concat(r.EnvFiles, a.envFiles) {
		maps.Copy(env, r.envFile(a, path))
	}
	if target, ok := r.deploy[r.Section].(map[string]any); ok && r.Section != "" && target["env"] != nil {
		maps.Copy(env, r.variables("deploy."+r.Section, "env", target["env"]))
	}
	maps.Copy(env, a.env)
	if a.port != "" {
		env["PORT"] = a.port
	}
	if r.Section != "" {
		if section, ok := m["env_"+r.Section]; ok {
			maps.Copy(env, r.variables(a.label, "env_"+r.Section, section))
		} else {
			r.undefed = append(r.undefed, a.label)
		}
	}
	maps.Copy(env, r.Env)
	if len(env) > 0 {
		a.Options.Env = env
	}
	for key, section := range m {
		if strings.HasPrefix(key, "env_") && key != "env_file" && key != "env_"+r.Section && section != nil {
			r.variables(a.label, key, section)
		}
	}
}

func (r *reader) variables(app, key string, v any) map[string]string {
	vars, err := asVariables(v)
	if err != nil {
		r.fatal(app, key, err.Error(), fmt.Sprintf(remedies[Variables], key))
	}
	return vars
}

func (r *reader) envFile(a *app, path string) map[string]string {
	if !filepath.IsAbs(path) {
		dir := r.Cwd
		if cwd := a.Options.Cwd; cwd != nil {
			dir = *cwd
			if !filepath.IsAbs(dir) {
				dir = filepath.Join(r.Cwd, dir)
			}
		}
		path = filepath.Join(dir, path)
	}
	text, err := r.ReadFile(path)
	var vars map[string]string
	if err == nil {
		vars, err = ParseEnv(text)
	}
	if err != nil {
		reason := cmp.Or(errors.Unwrap(err), err)
		r.fatal(a.label, "env_file", path+": "+reason.Error(), "Write KEY=value lines; the path is taken from cwd.")
	}
	return vars
}
