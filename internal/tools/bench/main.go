// Bench runs the Go benchmarks of this tree and of another revision in turn,
// ten times each, and compares them with benchstat.
package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/tendproc/tend/internal/tools/run"
)

const rounds = 10

func main() {
	old := flag.String("old", "main", "the revision to compare with")
	flag.Parse()
	run.Main(bench(*old, flag.Args()))
}

func bench(old string, pkgs []string) error {
	dir, err := os.MkdirTemp("", "tend-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	tree := filepath.Join(dir, "tree")
	if err := run.Step(nil, "git", "worktree", "add", "--detach", tree, old); err != nil {
		return err
	}
	defer run.Output(nil, "git", "worktree", "remove", "--force", tree)
	before, after := filepath.Join(dir, "old"), filepath.Join(dir, "new")
	for range rounds { // interleaved: a noisy minute hits both
		if err := once(tree, before, pkgs); err != nil {
			return err
		}
		if err := once(".", after, pkgs); err != nil {
			return err
		}
	}
	return run.Step(nil, run.Tool("benchstat", before, after)...)
}

func once(tree, result string, pkgs []string) error {
	file, err := os.OpenFile(result, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	cmd := exec.Command("go", append([]string{"test", "-run", "^$", "-bench", ".", "-benchmem"}, pkgs...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = tree, file, os.Stderr
	return cmd.Run()
}
