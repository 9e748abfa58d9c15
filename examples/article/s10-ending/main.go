// Finding and ending processes: starts a family that is hard to end, finds its
// members by name, asks them politely, then ends what is left, and shows that
// nobody is left behind: s10-ending FAMILY.js
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"syscall"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/procs"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: s10-ending FAMILY.js")
	}
	if err := run(context.Background(), os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, script string) error {
	p, err := child.Start(child.Command{
		Path: "node", Args: []string{script}, Argv0: "family",
		Stdio: []child.Stdio{child.Ignore(), child.Pipe(), child.Inherit(2)},
	})
	if err != nil {
		return err
	}
	out := p.Pipe(1)
	defer out.Close()
	line, err := bufio.NewReader(out).ReadString('\n') // "family PID PID PID": all are up
	if err != nil {
		return err
	}
	fmt.Print(line)
	var parent, stubborn, stray int
	if _, err := fmt.Sscanf(line, "family %d %d %d", &parent, &stubborn, &stray); err != nil {
		return err
	}

	found, err := procs.Find("family") // as pidof and pgrep do
	if err != nil {
		return err
	}
	for _, f := range found {
		if f.PID == parent {
			fmt.Println("found by name:", f.Title())
		}
	}

	// Politely: the stubborn one ignores it, so the parent alone ends.
	if err := p.SignalTree(syscall.SIGTERM); err != nil {
		return err
	}
	if _, err := p.Wait(ctx); err != nil {
		return err
	}
	fmt.Printf("after SIGTERM: parent %v, child alive %v\n", p.Exit(), alive(stubborn))

	// What is left has lost its parent, and one of them left the session; it is
	// found all the same.
	exit, err := p.Stop(ctx, child.StopOptions{Signal: syscall.SIGHUP, Grace: 200 * time.Millisecond, Tree: true})
	if err != nil {
		return err
	}
	fmt.Printf("after SIGKILL: child alive %v, stray alive %v, parent %v\n", alive(stubborn), alive(stray), exit)
	return nil
}

func alive(pid int) bool {
	p, err := procs.Get(pid)
	return err == nil && p.Alive()
}
