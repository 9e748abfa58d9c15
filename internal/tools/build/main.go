// Build makes the tend executable the way it is released, and checks that it
// is one static file no larger than agreed.
package main

import (
	"debug/elf"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tendproc/tend/internal/tools/run"
)

// maxMB is the size agreed for linux/amd64: what is linked is paid for at each
// start, in each of the three kinds of process.
const maxMB = 12.5

// without leaves HTTP/2 out of net/http, half a megabyte: tend serves files and its
// own socket by plain HTTP/1, and asks by no other.
const without = "nethttpomithttp2"

func main() {
	out := flag.String("o", "bin/tend", "where to put the executable")
	man := flag.String("man", "", "where to put the manual besides, as PREFIX/share/man")
	matrix := flag.Bool("matrix", false, "build for every supported system instead, and keep nothing")
	flag.Parse()
	if *matrix {
		run.Main(all())
		return
	}
	run.Main(errors.Join(one(*out), manual(*man)))
}

// manual copies the pages of docs/man.
func manual(to string) error {
	if to == "" {
		return nil
	}
	pages, err := filepath.Glob(filepath.Join("docs", "man", "*.1"))
	if err != nil || len(pages) == 0 {
		return fmt.Errorf("no pages in docs/man: %w", err)
	}
	to = filepath.Join(to, "man1")
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(page)), text, 0o644); err != nil {
			return err
		}
	}
	fmt.Printf("%s: %d pages\n", to, len(pages))
	return nil
}

func one(out string) error {
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	if err := compile(out, "", ""); err != nil {
		return err
	}
	info, err := os.Stat(out)
	if err != nil {
		return err
	}
	mb := float64(info.Size()) / (1 << 20)
	if mb > maxMB {
		return fmt.Errorf("%s has %.1f MB, agreed are %.1f", out, mb, maxMB)
	}
	if err := static(out); err != nil {
		return err
	}
	fmt.Printf("%s: %.1f MB, static\n", out, mb)
	return nil
}

// all builds for each system we can compile for.
func all() error {
	dir, err := os.MkdirTemp("", "tend-build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, p := range [][2]string{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "arm64"}} {
		out := filepath.Join(dir, "tend-"+p[0]+"-"+p[1])
		if err := compile(out, p[0], p[1]); err != nil {
			return err
		}
		if p[0] == "linux" {
			if err := static(out); err != nil {
				return err
			}
		}
	}
	return nil
}

func compile(out, system, arch string) error {
	env := run.Env{"CGO_ENABLED=0"}
	if system != "" {
		env = append(env, "GOOS="+system, "GOARCH="+arch)
	}
	return run.Step(env, "go", "build", "-trimpath", "-tags="+without, "-ldflags=-s -w", "-o", out, "./cmd/tend")
}

// static fails if the file asks for a dynamic linker or a shared library.
func static(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			return fmt.Errorf("%s is dynamically linked", path)
		}
	}
	return nil
}
