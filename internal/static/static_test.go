package static

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func site(t testing.TB, s Site) *Handler {
	t.Helper()
	top := t.TempDir()
	s.Dir = filepath.Join(top, "www")
	for name, text := range map[string]string{
		"secret": "secret", "www/index.html": "home", "www/404.html": "lost", "www/other.html": "other",
		"www/a.css": "0123456789", "www/.env": "secret", "www/sub/index.html": "sub", "www/list/<b>&.txt": "x", "www/list/.h": "secret",
		"www/.well-known/x": "known",
	} {
		file := filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../secret", filepath.Join(s.Dir, "out")); err != nil {
		t.Fatal(err)
	}
	h, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func get(h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.URL.Path = path
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestServe(t *testing.T) {
	for _, c := range []struct {
		site   Site
		path   string
		header []string
		status int
		body   string
	}{
		{path: "/", status: 200, body: "home"},
		{path: "/index.html", status: 200, body: "home"},
		{path: "/sub", status: 301},
		{path: "//sub", status: 301},
		{path: "/sub/", status: 200, body: "sub"},
		{path: "/none", status: 404, body: "lost"},
		{path: "/a.css/x", status: 404, body: "lost"},
		{path: "/list/", status: 404, body: "lost"},
		{path: "/a.css", header: []string{"Range", "bytes=2-4"}, status: 206, body: "234"},
		{path: "/a.css", header: []string{"If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"}, status: 304},
		{path: "/../secret", status: 403},
		{path: "/out", status: 403},
		{path: "/.env", status: 403},
		{path: "/.well-known/x", status: 200, body: "known"},
		{site: Site{SPA: true}, path: "/a/b/other.html", status: 200, body: "other"},
		{site: Site{SPA: true}, path: "/a/b", status: 200, body: "home"},
		{site: Site{SPA: true, Home: "/other.html"}, path: "/a/b", status: 200, body: "other"},
		{site: Site{Home: "sub/../other.html"}, path: "/", status: 200, body: "other"},
		{site: Site{Home: "other.html"}, path: "/a/b", status: 404, body: "lost"},
		{site: Site{Home: "../secret"}, path: "/", status: 404, body: "lost"},
		{site: Site{List: true}, path: "/list/", status: 200, body: `<a href="./%3Cb%3E&amp;.txt">&lt;b&gt;&amp;.txt</a>`},
		{site: Site{Username: "u", Password: "p"}, path: "/", status: 401},
		{site: Site{Username: "u", Password: "p"}, path: "/", header: []string{"Authorization", "Basic dTpw"}, status: 200, body: "home"},
		{site: Site{Username: "u", Password: "p"}, path: "/", header: []string{"Authorization", "Basic dTpx"}, status: 401},
	} {
		w := get(site(t, c.site), c.path, c.header...)
		if body := w.Body.String(); w.Code != c.status || !strings.Contains(body, c.body) || strings.Contains(body, "secret") {
			t.Errorf("%+v %s %v: %d %q, want %d %q", c.site, c.path, c.header, w.Code, body, c.status, c.body)
		}
		if to := w.Header().Get("Location"); to != "" && to != "/sub/" {
			t.Errorf("%s leads to %q", c.path, to)
		}
	}
}

func TestNew(t *testing.T) {
	for _, s := range []Site{{Dir: filepath.Join(t.TempDir(), "none")}, {Dir: t.TempDir(), Username: "u"}} {
		if _, err := New(s); err == nil {
			t.Errorf("%+v is accepted", s)
		}
	}
}

func FuzzInside(f *testing.F) {
	for _, p := range []string{"/", "/a/b", "/../x", "//x", "/.env", "/a/./b", "/\x00"} {
		f.Add(p)
	}
	h := site(f, Site{SPA: true, List: true})
	f.Fuzz(func(t *testing.T, p string) {
		if name, ok := inside(p); ok && !fs.ValidPath(name) {
			t.Fatalf("%q means %q", p, name)
		}
		if w := get(h, p); strings.Contains(w.Body.String(), "secret") && !strings.Contains(p, "secret") {
			t.Fatalf("%q tells the secret", p)
		}
	})
}
