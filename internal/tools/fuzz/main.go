// Fuzz runs each fuzz target of the module in turn, for the time given.
package main

import (
	"flag"
	"strings"

	"github.com/tendproc/tend/internal/tools/run"
)

func main() {
	limit := flag.String("time", "30s", "how long to run each target")
	flag.Parse()
	run.Main(fuzz(*limit))
}

func fuzz(limit string) error {
	pkgs, err := run.Output(nil, "go", "list", "./...")
	if err != nil {
		return err
	}
	for _, pkg := range strings.Fields(pkgs) {
		list, err := run.Output(nil, "go", "test", "-list", "^Fuzz", pkg)
		if err != nil {
			return err
		}
		for _, name := range strings.Fields(list) {
			if !strings.HasPrefix(name, "Fuzz") {
				continue
			}
			if err := run.Step(nil, "go", "test", "-run", "^$", "-fuzz", "^"+name+"$", "-fuzztime", limit, pkg); err != nil {
				return err
			}
		}
	}
	return nil
}
