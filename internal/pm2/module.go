package pm2

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/tendproc/tend/internal/fault"
)

// modulesKey is where module_conf.json tells which modules are installed.
const modulesKey = "module-db-v2"

// Module is an npm package that is run as an app.
type Module struct {
	Name    string
	Version string
	Dir     string          // the package
	Apps    json.RawMessage // as a configuration file declares them
	Config  *Object         // defaults of what set stores for it; nil for none
}

// ModuleDir is where the package of an installed module is.
func (h Home) ModuleDir(name string) string {
	return filepath.Join(h.Modules, name, "node_modules", name)
}

// ReadModule reads the package.json in dir.
func ReadModule(dir string) (Module, error) {
	path := filepath.Join(dir, "package.json")
	bad := func(field, message, remedy string, err error) (Module, error) {
		return Module{}, &fault.Error{Code: fault.Invalid, Op: path, Field: field, Message: message, Remedy: remedy, Err: err}
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Module{}, &fault.Error{Code: fault.NotFound, Message: "no package: " + path + " is not there", Remedy: "Name a package of npm, or a folder that is one."}
	}
	if err != nil {
		return Module{}, err
	}
	var p struct {
		Name    string          `json:"name"`
		Version string          `json:"version"`
		Main    string          `json:"main"`
		Bin     any             `json:"bin"`
		Apps    json.RawMessage `json:"apps"`
		PM2     json.RawMessage `json:"pm2"`
		Config  *Object         `json:"config"`
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return bad("", "is not a package.json", "Mend it there.", err)
	}
	if p.Name == "" || p.Name == "." || p.Name == ".." || !filepath.IsLocal(p.Name) {
		return bad("name", fmt.Sprintf("%q is no name of a package", p.Name), "Give it one.", nil)
	}
	m := Module{Name: p.Name, Version: p.Version, Dir: dir, Apps: p.Apps, Config: p.Config}
	if m.Apps == nil {
		m.Apps = p.PM2
	}
	if m.Apps == nil {
		m.Apps, err = json.Marshal([]any{map[string]string{"script": program(p.Bin, p.Main)}})
	}
	return m, err
}

// program is what a package without apps runs: the first it has in bin, else main.
func program(bin any, main string) string {
	switch bin := bin.(type) {
	case string:
		return bin
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(bin)) {
			if path, ok := bin[name].(string); ok {
				return path
			}
		}
	}
	if main != "" {
		return main
	}
	return "index.js"
}

// Modules are the names of what is installed, as conf has them.
func Modules(conf *Object) []string {
	if db, ok := conf.Get(modulesKey).(*Object); ok {
		return db.Keys()
	}
	return nil
}

// AddModule notes in conf that a module is installed, from source where that is not
// its name, and its defaults for what nothing is stored for yet.
func AddModule(conf *Object, m Module, source string) {
	if m.Config != nil {
		stored, ok := conf.Get(m.Name).(*Object)
		if !ok {
			stored = &Object{}
			conf.Set(m.Name, stored)
		}
		for _, key := range m.Config.Keys() {
			if stored.Get(key) == nil {
				stored.Set(key, m.Config.Get(key))
			}
		}
	}
	if source == "" { // it is not installed, but run where it is
		return
	}
	db, ok := conf.Get(modulesKey).(*Object)
	if !ok {
		db = &Object{}
		conf.Set(modulesKey, db)
	}
	entry := &Object{}
	if source != m.Name {
		entry.Set("source", source)
	}
	db.Set(m.Name, entry)
}

// ModuleSource is what a module was installed from.
func ModuleSource(conf *Object, name string) (source string, installed bool) {
	db, ok := conf.Get(modulesKey).(*Object)
	if !ok {
		return name, false
	}
	entry, ok := db.Get(name).(*Object)
	if !ok {
		return name, false
	}
	if from, ok := entry.Get("source").(string); ok {
		return from, true
	}
	return name, true
}

// RemoveModule takes the note back. What is stored for the module stays.
func RemoveModule(conf *Object, name string) {
	if db, ok := conf.Get(modulesKey).(*Object); ok {
		db.Delete(name)
	}
}
