package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/tendproc/tend/process"
)

// A program that shows a title, handles a signal, and cleans up however it ends.
func main() { process.Main(run) }

func run(life *process.Life) int {
	life.OnExit(func(code int) { fmt.Println("cleaned up; code", code) })
	life.OnUncaught(func(v any, stack []byte) { fmt.Println("to be reported:", v) })

	if err := process.SetTitle("tour: at work"); err != nil {
		fmt.Println(err)
		return 1
	}
	line, err := exec.Command("ps", "-o", "args=", "-p", fmt.Sprint(os.Getpid())).Output()
	fmt.Println("ps shows:", strings.TrimSpace(string(line)), err)

	usr1 := make(chan struct{})
	remove, err := life.On("SIGUSR1", func() { close(usr1) })
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer remove()
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	<-usr1
	fmt.Println("SIGUSR1 came")
	return 0
}
