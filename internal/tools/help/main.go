// Help prints the targets of the makefile with their descriptions.
package main

import (
	"fmt"
	"os"
	"regexp"

	"github.com/tendproc/tend/internal/tools/run"
)

var target = regexp.MustCompile(`(?m)^([a-z]+):.*## (.*)$`)

func main() {
	text, err := os.ReadFile(os.Args[1])
	for _, m := range target.FindAllSubmatch(text, -1) {
		fmt.Printf("make %-9s %s\n", m[1], m[2])
	}
	run.Main(err)
}
