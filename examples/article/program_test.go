package article

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/proctest"
)

func TestMain(m *testing.M) { proctest.Main(m) }

// patience is how long a program may take to say what we wait for.
const patience = 30 * time.Second

// program is a started example. Its output, both streams, is read as lines.
type program struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string
	done  chan struct{} // closed when it has exited

	mu  sync.Mutex // guards log
	log []string
}

// start runs a program in a process group of its own. The test's end kills what
// is left of the group.
func start(t *testing.T, env []string, argv ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(argv[0], argv[1:]...), lines: make(chan string, 1000), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	err = p.cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(p.lines)
		for s := bufio.NewScanner(r); s.Scan(); {
			p.mu.Lock()
			p.log = append(p.log, s.Text())
			p.mu.Unlock()
			p.lines <- s.Text()
		}
	}()
	go func() {
		defer close(p.done)
		p.cmd.Wait()
	}()
	t.Cleanup(func() {
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
		r.Close()
		<-read
		if t.Failed() {
			t.Logf("%s said:\n%s", strings.Join(argv, " "), strings.Join(p.said(), "\n"))
		}
	})
	return p
}

func (p *program) said() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.log...)
}

// expect reads lines until one matches, and returns its submatches.
func (p *program) expect(pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	timeout := time.After(patience)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("it ended without saying %q", pattern)
			}
			if m := re.FindStringSubmatch(line); m != nil {
				return m
			}
		case <-timeout:
			p.t.Fatalf("it did not say %q", pattern)
		}
	}
}

// expectAll reads lines until each of the patterns has matched one, in any order.
func (p *program) expectAll(patterns ...string) {
	p.t.Helper()
	for len(patterns) > 0 {
		line := p.expect("(?:" + strings.Join(patterns, "|") + ")")[0]
		patterns = slices.DeleteFunc(patterns, func(pattern string) bool { return regexp.MustCompile(pattern).MatchString(line) })
	}
}

// number is expect for one number.
func (p *program) number(pattern string) int {
	p.t.Helper()
	n, err := strconv.Atoi(p.expect(pattern)[1])
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// ends waits for the exit and returns all that it said.
func (p *program) ends(code int) []string {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatal("it does not end")
	}
	for range p.lines {
	}
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		p.t.Errorf("exit code %d (%v), want %d", got, p.cmd.ProcessState, code)
	}
	return p.said()
}

func (p *program) signal(sig syscall.Signal) { p.cmd.Process.Signal(sig) }

// build compiles a program of the module and returns its path.
func build(t *testing.T, pkg string, env ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-o", path, pkg)
	cmd.Dir = "../.."
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return path
}

// client makes a connection for each request, and gives up in time.
var client = &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}

// get asks a program on a port of this machine.
func get(ctx context.Context, port int, path string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, strings.TrimSpace(string(text)), err
}

// must is get where nothing may go wrong.
func must(t *testing.T, port int, path string) string {
	t.Helper()
	status, body, err := get(t.Context(), port, path)
	if err != nil || status != http.StatusOK {
		t.Fatalf("GET %s: %d %q, %v", path, status, body, err)
	}
	return body
}

// until asks again and again until the answers satisfy ok.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// gone tells that there is no such process, or only its remains.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := strings.Cut(string(stat), ") ")
	return err != nil || strings.HasPrefix(after, "Z")
}
