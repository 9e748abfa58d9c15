package child_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/internal/sys"
)

// reap gets orphans and has children of its own, and says when all are collected,
// each by the right one.
func reap([]string) int {
	if err := sys.Subreaper(); err != nil {
		fmt.Println(err)
		return 1
	}
	var orphans child.Reaper
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	var wg sync.WaitGroup
	done := make(chan struct{})
	for i := range 40 {
		wg.Go(func() {
			// It leaves an orphan, which ends at about the same time.
			p, err := child.Start(child.Command{Path: "/bin/sh", Args: []string{"-c", fmt.Sprintf("(sh -c : &) ; exit %d", i)}})
			if err != nil {
				fmt.Println(err)
				return
			}
			defer p.Close()
			if exit, _ := p.Wait(context.Background()); exit.Code != i {
				fmt.Printf("child %d: %v\n", i, exit)
			}
		})
	}
	go func() {
		wg.Wait()
		close(done)
	}()
	late := time.After(30 * time.Second)
	for started := true; ; {
		if _, err := orphans.Collect(); err != nil {
			fmt.Println(err)
			return 1
		}
		if left, err := sys.Children(); err != nil || !started && len(left) == 0 {
			fmt.Println("none left", err)
			return 0
		}
		select {
		case <-ended:
		case <-done:
			started, done = false, nil
		case <-late:
			left, _ := sys.Children()
			fmt.Println("left:", left)
			return 1
		}
	}
}

func TestReapOrphans(t *testing.T) {
	cmd := proctest.Command("reap")
	out, err := cmd.Output()
	if err != nil || !bytes.Equal(out, []byte("none left <nil>\n")) {
		t.Errorf("%v\n%s", err, out)
	}
}
