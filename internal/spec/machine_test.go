package spec

import (
	"errors"
	"path"
	"strings"
)

// fakeMachine is a computer in a map: path → content. A path that ends in "/"
// is a folder; content that begins with "x:" is executable, "-:" unreadable.
type fakeMachine map[string]string

func (m fakeMachine) Stat(p string) (FileInfo, error) {
	if _, ok := m[strings.TrimSuffix(p, "/")+"/"]; ok || p == "/" {
		return FileInfo{Dir: true, Readable: true, Executable: true}, nil
	}
	text, ok := m[p]
	if !ok {
		return FileInfo{}, errors.New("no such file or directory")
	}
	info := FileInfo{Readable: !strings.HasPrefix(text, "-:"), Executable: strings.HasPrefix(text, "x:")}
	info.Dir = text == "noentry:"
	if info.Dir {
		info.Readable = false
	}
	return info, nil
}

func (m fakeMachine) LookPath(name, pathVar string) (string, error) {
	for dir := range strings.SplitSeq(pathVar, ":") {
		p := path.Join(dir, name)
		if text, ok := m[p]; ok && strings.HasPrefix(text, "x:") {
			return p, nil
		}
	}
	return "", errors.New("not on PATH")
}

func (m fakeMachine) ReadFile(p string) ([]byte, error) {
	text, ok := m[p]
	if !ok || strings.HasPrefix(text, "-:") {
		return nil, errors.New("no such file or directory")
	}
	return []byte(strings.TrimPrefix(text, "x:")), nil
}

func (m fakeMachine) CPUs() int    { return 4 }
func (m fakeMachine) Home() string { return "/home/ann" }

func (m fakeMachine) LookupUser(name string) (User, error) {
	if name == "ann" || name == "1000" {
		return User{UID: 1000, GID: 100, Home: "/home/ann"}, nil
	}
	return User{}, errors.New("unknown")
}

func (m fakeMachine) LookupGroup(name string) (int, error) {
	if name == "staff" {
		return 50, nil
	}
	return 0, errors.New("unknown")
}

func testMachine() fakeMachine {
	return fakeMachine{
		"/bin/node": "x:\x7fELF", "/bin/bash": "x:\x7fELF", "/bin/python3": "x:\x7fELF", "/bin/ls": "x:\x7fELF\x00",
		"/bin/ruby": "x:\x7fELF", "/bun/bun": "x:\x7fELF", "/opt/node22/bin/node": "x:\x7fELF",
		"/srv/": "", "/srv/web/": "", "/srv/web/sub/": "", "/srv/closed": "noentry:",
		"/srv/web/package.json": `{"version":"1.2.3"}`,
		"/srv/web/app.js":       "http", "/srv/web/001-test.mjs": "", "/srv/web/main.ts": "", "/srv/web/page.tsx": "",
		"/srv/web/job.py": "", "/srv/web/job.rb": "", "/srv/web/run.sh": "", "/srv/web/secret.js": "-:",
		"/srv/web/pkg/": "", "/srv/web/pkg/package.json": `{"main": "./lib/main"}`, "/srv/web/pkg/lib/main.js": "", "/srv/plain.d/": "", "/srv/plain.d/index.js": "",
		"/srv/web/sub/deep.js": "", "/srv/web/my app.js": "", "/srv/web/.hidden": "text",
		"/srv/web/server": "x:\x7fELF\x02\x00", "/srv/web/noexec": "\x7fELF\x00",
		"/srv/web/tool": "x:#!/bin/sh\n", "/srv/web/pytool": "#!/usr/bin/env python3 -u\n",
		"/srv/web/jstool": "x:#!/usr/bin/env -S A=b node --harmony\n",
	}
}

func testCaller() Caller {
	return Caller{Cwd: "/srv/web", Env: []string{"PATH=/bin:/usr/bin", "HOME=/home/ann", "A=1"}}
}
