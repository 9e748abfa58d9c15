// Clidocs writes docs/cli.md and docs/man from the help texts of the commands. Run
// it in the root of the repository; tests of internal/cli compare the pages.
package main

import (
	"log"
	"os"
	"path/filepath"

	"github.com/tendproc/tend/internal/cli"
)

func main() {
	log.SetFlags(0)
	man := filepath.Join("docs", "man")
	if err := os.RemoveAll(man); err != nil {
		log.Fatal(err)
	}
	if err := os.MkdirAll(man, 0o755); err != nil {
		log.Fatal(err)
	}
	pages := map[string]string{filepath.Join("docs", "cli.md"): cli.Markdown()}
	for name, text := range cli.ManPages() {
		pages[filepath.Join(man, name)] = text
	}
	for path, text := range pages {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}
