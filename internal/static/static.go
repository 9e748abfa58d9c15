// Package static serves the files of one folder over HTTP, and nothing outside it.
package static

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"
)

// Site says what of a folder is served, and to whom.
type Site struct {
	Dir      string // the folder
	SPA      bool   // an unknown path is answered by the file of its base name at the top, or by Home
	List     bool   // folders without index.html are listed
	Home     string // what answers "/" and unknown paths of a SPA; "" means index.html
	Username string // with Password, what a client must know; both empty: nothing
	Password string
}

// Handler serves the site. The folder stays open until Close.
type Handler struct {
	site Site
	root *os.Root
}

// New opens the site's folder.
func New(s Site) (*Handler, error) {
	if (s.Username == "") != (s.Password == "") {
		return nil, errors.New("basic auth needs both a username and a password: give both or neither")
	}
	s.Home = strings.TrimPrefix(path.Clean("/"+s.Home), "/")
	if s.Home == "" {
		s.Home = "index.html"
	}
	root, err := os.OpenRoot(s.Dir)
	if err != nil {
		return nil, fmt.Errorf("folder to serve: %w: name a folder that exists and can be read", err)
	}
	return &Handler{s, root}, nil
}

// Close closes the folder; requests after it fail.
func (h *Handler) Close() error { return h.root.Close() }

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	if !h.knows(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="static", charset="UTF-8"`)
		http.Error(w, "401 Unauthorized", http.StatusUnauthorized)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "405 Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	name, ok := inside(r.URL.Path)
	if !ok {
		http.Error(w, "403 Forbidden", http.StatusForbidden)
		return
	}
	h.serve(w, r, name)
}

// knows compares digests, so that the time it takes tells neither content nor length.
func (h *Handler) knows(r *http.Request) bool {
	if h.site.Username == "" {
		return true
	}
	user, password, _ := r.BasicAuth()
	return same(user, h.site.Username)&same(password, h.site.Password) == 1
}

func same(a, b string) int {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:])
}

// inside returns the name in the folder that a request's path means, and whether
// it means one: a path that climbs, or that names a hidden file, does not.
// .well-known is meant to be read.
func inside(urlPath string) (name string, ok bool) {
	if strings.ContainsAny(urlPath, "\x00\\") {
		return "", false
	}
	for part := range strings.SplitSeq(urlPath, "/") {
		if strings.HasPrefix(part, ".") && part != "." && part != ".well-known" {
			return "", false
		}
	}
	name = strings.TrimPrefix(path.Clean("/"+urlPath), "/")
	if name == "" {
		name = "."
	}
	return name, fs.ValidPath(name)
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, name string) {
	info, err := h.root.Stat(name)
	switch {
	case err == nil && info.IsDir():
		h.folder(w, r, name)
	case err == nil && info.Mode().IsRegular():
		h.file(w, r, name)
	case err == nil || !missing(err):
		http.Error(w, "403 Forbidden", http.StatusForbidden)
	default:
		h.unknown(w, r, name)
	}
}

func (h *Handler) folder(w http.ResponseWriter, r *http.Request, name string) {
	index := path.Join(name, "index.html")
	if name == "." {
		index = h.site.Home
	}
	info, err := h.root.Stat(index)
	found := err == nil && info.Mode().IsRegular()
	switch {
	case !found && !h.site.List:
		h.unknown(w, r, name)
	case !strings.HasSuffix(r.URL.Path, "/"): // so that the page's relative links are right
		to := path.Clean("/"+r.URL.Path) + "/"
		w.Header().Set("Location", escaped(to, r.URL.RawQuery))
		w.WriteHeader(http.StatusMovedPermanently)
	case found:
		h.file(w, r, index)
	default:
		h.list(w, r, name)
	}
}

// unknown answers a path that names nothing.
func (h *Handler) unknown(w http.ResponseWriter, r *http.Request, name string) {
	if h.site.SPA {
		for _, page := range []string{path.Base(name), h.site.Home} {
			if info, err := h.root.Stat(page); err == nil && info.Mode().IsRegular() {
				h.file(w, r, page)
				return
			}
		}
	}
	page, err := h.root.ReadFile("404.html")
	if err != nil {
		http.Error(w, "404 Not Found", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write(page) // the client may be gone
}

func (h *Handler) file(w http.ResponseWriter, r *http.Request, name string) {
	f, err := h.root.Open(name)
	if err != nil {
		http.Error(w, "403 Forbidden", http.StatusForbidden)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		http.Error(w, "500 Internal Server Error", http.StatusInternalServerError)
		return
	}
	http.ServeContent(w, r, name, info.ModTime(), f)
}

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) || isNotDir(err) }
