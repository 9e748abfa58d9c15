// The process object of the article in Go: what a program knows of itself, and the
// ways it can end. It ends as its argument says: return, exit or throw; else a
// signal ends it.
//
//	go run ./examples/article/s2-process return
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/tendproc/tend/process"
)

func main() { process.Main(run) }

func run(life *process.Life) int {
	if err := process.SetTitle("article s2"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_, _, tty := process.Terminal(os.Stdin)
	fmt.Printf("%s %s %s uptime %v tty %v\n", process.Platform(), process.Arch(), os.Getenv("NODE_ENV"), process.Uptime() >= 0, tty)
	fmt.Printf("pid %d of %d\n", os.Getpid(), process.PPID())

	life.OnExit(func(code int) { fmt.Println("exit", code) })
	life.OnUncaught(func(v any, stack []byte) { fmt.Println("uncaught", v) })
	_, err := life.On("SIGTERM", func() {
		fmt.Println("asked to end")
		life.Exit(5)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	switch strings.Join(os.Args[1:], "") {
	case "return":
		fmt.Println("up")
		return 0
	case "exit":
		life.Exit(4)
	case "throw":
		panic(errors.New("it went wrong"))
	}
	fmt.Println("up")
	select {}
}
