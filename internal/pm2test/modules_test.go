package pm2test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tendproc/tend/internal/proctest"
)

// modulesScript installs modules, for which it has a registry.
const modulesScript = "modules"

// What PM2 cannot do, or does worse: folders and tarballs, and a module that does not come
// up leaves the former one.
func TestModulesFromFolders(t *testing.T) {
	t.Parallel()
	s := newSide(t, []string{build(t)})
	registry := s.serveModules()
	modules, err := filepath.Abs("testdata/modules")
	if err != nil {
		t.Fatal(err)
	}
	must := func(code int, text string, args ...string) {
		t.Helper()
		if r := s.pm2(args...); r.code != code || !strings.Contains(r.out+r.err, text) {
			t.Errorf("%v: %+v, want exit %d and %q", args, r, code, text)
		}
	}
	shows := func(text string) {
		t.Helper()
		if out := s.pm2("ls").out; !strings.Contains(out, text) {
			t.Errorf("want %q in\n%s", text, out)
		}
	}
	must(0, "local runs as a module (id 0)", "install", filepath.Join(modules, "local"))
	shows("0.1.0")
	must(0, "local runs as a module (id 0)", "module:update", "local")
	must(1, "unknown module other", "module:update", "other")

	file := filepath.Join(s.dir, "app", "mymod.tgz")
	if err := os.WriteFile(file, registry.tarball, 0o600); err != nil {
		t.Fatal(err)
	}
	must(0, "mymod runs as a module (id 1)", "install", "./mymod.tgz")
	before := s.pm2("pid", "mymod").out

	// The next version ends at once: the one before it is back.
	registry.set(t, filepath.Join(modules, "broken"), "mymod", "2.0.0")
	must(1, "it keeps ending", "install", "mymod", "--safe")
	shows("1.2.3")
	if now := s.pm2("pid", "mymod").out; now == before || strings.TrimSpace(now) == "0" || now == "" {
		t.Errorf("it was process %s and is %s", before, now)
	}
	// A module does not take the name of an app.
	must(0, "", "start", "rec.js", "--name", "broken")
	must(1, "an app is called broken", "install", filepath.Join(modules, "broken"))
	must(0, "is gone", "uninstall", "local")
	must(1, "unknown module local", "uninstall", "local")
	must(1, "no package", "install", ".")
}

// registry is one of npm, of one package.
type registry struct {
	mu                 sync.Mutex // guards what follows
	name, version, url string
	manifest           map[string]any
	tarball            []byte
}

// serveModules gives the side a registry.
func (s *side) serveModules() *registry {
	s.t.Helper()
	proctest.Program(s.t, "npm")
	r := &registry{}
	s.modules = r
	r.set(s.t, "testdata/modules/mymod", "mymod", "1.2.3")
	server := httptest.NewServer(r)
	s.t.Cleanup(server.Close)
	r.mu.Lock()
	r.url = server.URL
	r.mu.Unlock()
	s.env = append(s.env, "npm_config_registry="+server.URL, "npm_config_update_notifier=false", "npm_config_fund=false")
	s.replace = append(s.replace, server.URL, "$REGISTRY")
	return r
}

func (r *registry) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case strings.HasSuffix(q.URL.Path, ".tgz"):
		_, _ = w.Write(r.tarball)
	case q.URL.Path == "/"+r.name:
		sum := sha512.Sum512(r.tarball)
		r.manifest["dist"] = map[string]string{
			"tarball":   fmt.Sprintf("%s/%s/-/%[2]s-%s.tgz", r.url, r.name, r.version),
			"integrity": "sha512-" + base64.StdEncoding.EncodeToString(sum[:]),
		}
		_ = json.NewEncoder(w).Encode(map[string]any{
			"name": r.name, "dist-tags": map[string]string{"latest": r.version}, "versions": map[string]any{r.version: r.manifest},
		})
	default:
		http.Error(w, "{}", http.StatusNotFound)
	}
}

// set makes the package of the folder, by name and version, the registry's one.
func (r *registry) set(t *testing.T, dir, name, version string) {
	t.Helper()
	var packed bytes.Buffer
	var manifest map[string]any
	zip := gzip.NewWriter(&packed)
	out := tar.NewWriter(zip)
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, path))
		if err == nil && path == "package.json" {
			manifest = map[string]any{}
			err = json.Unmarshal(text, &manifest)
			manifest["name"], manifest["version"] = name, version
			text, _ = json.Marshal(manifest)
		}
		if err == nil {
			err = out.WriteHeader(&tar.Header{Name: "package/" + path, Mode: 0o644, Size: int64(len(text))})
		}
		if err == nil {
			_, err = out.Write(text)
		}
		return err
	})
	for _, e := range []error{err, out.Close(), zip.Close()} {
		if e != nil {
			t.Fatal(e)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.name, r.version, r.manifest, r.tarball = name, version, manifest, packed.Bytes()
}
