// Check does what CI does on each change. Without -static the tests run too,
// under the race detector.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/tendproc/tend/internal/tools/run"
)

func main() {
	static := flag.Bool("static", false, "leave out the tests: format, vet, staticcheck, arch, builds")
	flag.Parse()
	steps := []func() error{format, vet, staticcheck, arch, build}
	if !*static {
		steps = append(steps, test)
	}
	var errs []error
	for _, step := range steps { // all of them: one run shows all there is to mend
		if err := step(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		run.Main(fmt.Errorf("check: %d of %d steps failed", len(errs), len(steps)))
	}
	fmt.Println("check: all well")
}

func format() error {
	fmt.Println("» gofumpt")
	dirs, err := run.Output(nil, "git", "ls-files", "*.go")
	if err != nil {
		return err
	}
	bad, err := run.Output(nil, run.Tool("gofumpt", append([]string{"-l"}, strings.Fields(dirs)...)...)...)
	if err != nil {
		return err
	}
	if bad != "" {
		return fmt.Errorf("gofumpt would change (go tool -modfile=internal/tools/tools.mod gofumpt -w …):\n%s", bad)
	}
	return nil
}

func vet() error {
	if err := run.Step(nil, "go", "vet", "./..."); err != nil {
		return err
	}
	return run.Step(run.Env{"GOOS=darwin"}, "go", "vet", "./...")
}

func staticcheck() error { return run.Step(nil, run.Tool("staticcheck", "./...")...) }

func arch() error { return run.Step(nil, "go", "test", "./internal/arch") }

func build() error { return run.Step(nil, "go", "run", "./internal/tools/build", "-matrix") }

func test() error {
	return run.Step(run.Env{"CGO_ENABLED=1"}, "go", "run", "./internal/tools/testenv", "go", "test", "-race", "-shuffle=on", "./...")
}
