package procs

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"

	"github.com/tendproc/tend/internal/proctest"
	"github.com/tendproc/tend/internal/sys"
)

// adopt becomes a shell that has the orphans below it for children.
func adopt(args []string) int {
	if err := sys.Subreaper(); err != nil {
		return 1
	}
	_ = syscall.Exec("/bin/sh", append([]string{"sh"}, args...), os.Environ()) // returns only with an error
	return 1
}

// What comes, goes and is orphaned between two looks, the second one sees.
func TestKin(t *testing.T) {
	line := []string{"-c", `sh -c 'sleep 1000 & echo $! $$; wait' & read _; sleep 1000 & echo $!; read _`}
	for name, cmd := range map[string]*exec.Cmd{
		"orphans leave": exec.Command("/bin/sh", line...),
		"orphans stay":  proctest.Command("adopt", line...),
	} {
		t.Run(name, func(t *testing.T) {
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			var leaf, middle int
			said := begin(t, cmd)
			said.Scan()
			if _, err := fmt.Sscan(said.Text(), &leaf, &middle); err != nil {
				t.Fatal(err)
			}
			var k kin
			look := func(when string) *Table {
				t.Helper()
				table, err := k.below([]int{cmd.Process.Pid})
				if err != nil {
					t.Fatal(err)
				}
				all, err := k.r.All()
				if err != nil {
					t.Fatal(err)
				}
				if got, want := tree(table, cmd.Process.Pid), tree(all, cmd.Process.Pid); !slices.Equal(got, want) {
					t.Errorf("%s: %v, want %v", when, got, want)
				}
				return table
			}
			look("first")
			if _, read := look("again").Get(os.Getpid()); read {
				t.Error("a process is read again that has nothing to do with it")
			}
			if err := syscall.Kill(middle, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			for at := middle; at == middle; { // until it is an orphan
				s, err := k.r.Stat(leaf)
				if err != nil {
					t.Fatal(err)
				}
				at = s.PPID
			}
			if name == "orphans leave" { // else the orphan's parent is gone when it is looked for
				look("the parent is a zombie")
			}
			fmt.Fprintln(in)
			said.Scan()
			look("the parent is gone, and another child there")
			was := find(k.now, int32(leaf))
			was.inode, was.ppid = was.inode+1, 1
			look("the number was another's")
		})
	}
}

// tree lists the tree of root by number.
func tree(t *Table, root int) (pids []int) {
	s, _ := t.Get(root)
	for _, one := range t.Tree(s) {
		pids = append(pids, one.PID)
	}
	slices.Sort(pids)
	return pids
}
