// Package run starts commands for the programs behind the make targets: their
// output goes straight through, a failure says which command failed.
package run

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Env is extra environment (KEY=value) for [Step] and [Quiet].
type Env []string

// Step prints the command, runs it with this program's output, and reports how
// long it took.
func Step(env Env, argv ...string) error {
	fmt.Printf("» %s%s\n", prefix(env), strings.Join(argv, " "))
	start := time.Now()
	cmd := command(env, argv)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(argv, " "), err)
	}
	fmt.Printf("  ok in %.1fs\n", time.Since(start).Seconds())
	return nil
}

// Output runs the command and returns what it wrote to its standard output. What
// it says besides, of a download for one, goes into the error if there is one.
func Output(env Env, argv ...string) (string, error) {
	cmd := command(env, argv)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return text, fmt.Errorf("%s: %w\n%s%s", strings.Join(argv, " "), err, said.Bytes(), text)
	}
	return text, nil
}

// Tool is the command line of a program pinned in tools.mod.
func Tool(name string, args ...string) []string {
	return append([]string{"go", "tool", "-modfile=internal/tools/tools.mod", name}, args...)
}

// Main ends the program: status 1 and the error on stderr if there is one.
func Main(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func command(env Env, argv []string) *exec.Cmd {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

func prefix(env Env) string {
	if len(env) == 0 {
		return ""
	}
	return strings.Join(env, " ") + " "
}
