// Clidocs writes docs/cli.md from the help texts of the commands. Run it in
// the root of the repository; a test of internal/cli compares the page.
package main

import (
	"log"
	"os"
	"path/filepath"

	"github.com/tendproc/tend/internal/cli"
)

func main() {
	log.SetFlags(0)
	if err := os.MkdirAll("docs", 0o755); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("docs", "cli.md"), []byte(cli.Markdown()), 0o644); err != nil {
		log.Fatal(err)
	}
}
