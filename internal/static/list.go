package static

import (
	"errors"
	"fmt"
	"html"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

// list shows what a folder holds, hidden files left out.
func (h *Handler) list(w http.ResponseWriter, r *http.Request, name string) {
	entries, err := fs.ReadDir(h.root.FS(), name)
	if err != nil {
		http.Error(w, "403 Forbidden", http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	title := html.EscapeString(r.URL.Path)
	fmt.Fprintf(w, "<!doctype html>\n<title>%s</title>\n<h1>%s</h1>\n<ul>\n", title, title)
	if name != "." {
		fmt.Fprint(w, "<li><a href=\"../\">../</a>\n")
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		shown := e.Name()
		if e.IsDir() {
			shown += "/"
		}
		link := html.EscapeString("./" + escaped(shown, ""))
		fmt.Fprintf(w, "<li><a href=\"%s\">%s</a>\n", link, html.EscapeString(shown))
	}
	fmt.Fprint(w, "</ul>\n")
}

// escaped is a path as a link, never one that names another host.
func escaped(to, query string) string {
	link := (&url.URL{Path: to, RawQuery: query}).String()
	return strings.TrimPrefix(link, "./")
}

func isNotDir(err error) bool {
	return errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG)
}
