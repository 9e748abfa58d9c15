// Golden rewrites the golden files of every test package that has an -update
// flag. Read the difference like code.
package main

import (
	"strings"

	"github.com/tendproc/tend/internal/tools/run"
)

func main() { run.Main(golden()) }

func golden() error {
	files, err := run.Output(nil, "git", "grep", "-lE", `flag\.Bool\("update"`, "--", "*_test.go")
	if err != nil || files == "" {
		return nil // nothing has golden files
	}
	seen := map[string]bool{}
	for _, file := range strings.Fields(files) {
		pkg := "./" + file[:strings.LastIndexByte(file, '/')]
		if seen[pkg] {
			continue
		}
		seen[pkg] = true
		if err := run.Step(nil, "go", "test", pkg, "-update"); err != nil {
			return err
		}
	}
	return nil
}
