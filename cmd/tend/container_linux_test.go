package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tendproc/tend/internal/proctest"
)

const containedApp = `console.log('hello %', process.env.NODE_ENV, process.env.FOO, JSON.stringify(process.argv.slice(2)));
setInterval(() => {}, 1e6); process.on('SIGINT', () => { console.log('bye'); process.exit(); });
`

// What start --container makes, in a real engine: the image with tend in it, the folder
// that is watched, the ends from within and from outside, and what a death leaves behind.
func TestContainer(t *testing.T) {
	e := newEngine(t)
	app := filepath.Join(e.dir, "app.js")
	write(t, app, strings.Replace(containedApp, "%", "first", 1))
	image := e.base + "-app"

	_, id := e.detached("app.js", "--image-name", image, "--", "a b")
	e.awaitLog(id, `hello first development undefined ["a b"]`, 1)
	write(t, app, strings.Replace(containedApp, "%", "second", 1))
	e.awaitLog(id, `hello second development undefined ["a b"]`, 1)
	e.docker("stop", id)
	if log := e.docker("logs", id); e.docker("wait", id) != "143" || strings.Count(log, "bye") != 2 {
		t.Errorf("after docker stop: exit %s\n%s", e.docker("wait", id), log)
	}

	code, out := e.interrupted(image, "second development")
	if running := e.docker("ps", "-q", "--filter", "ancestor="+image); code != exitOnSignal || running != "" || !strings.Contains(out, "bye") {
		t.Errorf("SIGTERM to docker run's caller: exit %d, running %q\n%s", code, running, out)
	}

	write(t, filepath.Join(e.dir, "eco.config.js"), `module.exports = { apps: [{ name: 'web', script: 'app.js', instances: 2, env_production: { FOO: 'f' } }] }`)
	built := e.docker("image", "inspect", "-f", "{{.Id}}", "localhost/tend")
	_, id = e.detached("eco.config.js", "--dist", "--image-name", image+"-dist")
	if again := e.docker("image", "inspect", "-f", "{{.Id}}", "localhost/tend"); again != built {
		t.Errorf("the image of the same tend was made anew: %s, %s", built, again)
	}
	const line = `hello second production f []`
	e.awaitLog(id, line, 2)
	if out := e.docker("exec", id, "pm2", "reload", "web"); !strings.Contains(out, "2 instances") {
		t.Errorf("reload: %s", out)
	}
	e.awaitLog(id, line, 4)
	e.docker("kill", id)
	e.docker("start", id)
	e.awaitLog(id, line, 6)
	if out := e.docker("exec", id, "pm2", "pid", "web"); len(strings.Fields(out)) != 2 {
		t.Errorf("after docker kill and docker start: %q", out)
	}
	e.docker("stop", id)
	if code := e.docker("wait", id); code != "0" {
		t.Errorf("after docker stop: exit %s", code)
	}

	id = e.docker("run", "-d", "--read-only", "--entrypoint", "tend", image+"-dist", "run", "app.js")
	_, home, _ := strings.Cut(e.awaitLog(id, "they do with TEND_HOME=/dev/shm/", 1), "they do with ")
	if out := e.docker("exec", "-e", strings.Fields(home)[0], id, "tend", "reload", "app"); !strings.Contains(out, "reloaded") {
		t.Errorf("reload where nothing is written: %s", out)
	}

	file := filepath.Join(e.dir, "Dockerfile")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, strings.Replace(string(text), "WORKDIR", "RUN exit 3\nWORKDIR", 1))
	if code, out := e.pm2("start", "app.js", "--container", "--dockerdaemon", "--image-name", image+"-broken"); code != 1 || !strings.Contains(out, "the image was not built") {
		t.Errorf("a build that fails: exit %d\n%s", code, out)
	}
}

const exitOnSignal = 130

// engine is Docker at work, with an image of Node that is made of this machine's.
type engine struct {
	t        *testing.T
	bin, dir string // links to tend, and the app
	base     string // names the image, and is a label of all that is made of it
	env      []string
}

func newEngine(t *testing.T) *engine {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "docker", "version").CombinedOutput(); err != nil {
		t.Skipf("no engine of Docker answers: %v\n%s", err, out)
	}
	e := &engine{t: t, bin: build(t), dir: t.TempDir(), base: "tend-test-" + strings.ToLower(rand.Text()[:8])}
	if err := os.Symlink("tend", filepath.Join(e.bin, "pm2")); err != nil {
		t.Fatal(err)
	}
	e.env = append(os.Environ(), "PATH="+e.bin+":"+os.Getenv("PATH"), "PM2_HOME="+filepath.Join(t.TempDir(), "home"), "NO_COLOR=1")
	t.Cleanup(e.clean)
	cmd := exec.Command("docker", "import", "-c", "LABEL "+e.base+"=1", "-", "node:"+e.base+"-slim")
	cmd.Stdin = e.nodeImage()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("docker import: %v\n%s", err, out)
	}
	return e
}

// nodeImage is an archive of what Node, a shell and tend need.
func (e *engine) nodeImage() io.Reader {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	add := func(name, path string) {
		data, err := os.ReadFile(path)
		if err == nil {
			err = errors.Join(w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(data))}), func() error { _, err := w.Write(data); return err }())
		}
		if err != nil {
			e.t.Fatal(err)
		}
	}
	library := regexp.MustCompile(`/\S+`)
	seen := map[string]bool{}
	for name, path := range map[string]string{
		"usr/local/bin/node": proctest.FirstNode(e.t).Path, "bin/sh": proctest.Program(e.t, "sh"), "bin/ln": proctest.Program(e.t, "ln"),
		"opt/tend": filepath.Join(e.bin, "tend"), // of which only the libraries count
	} {
		add(name, path)
		out, _ := exec.Command("ldd", path).Output() // fails for a static program
		for _, lib := range library.FindAllString(string(out), -1) {
			if !seen[lib] {
				seen[lib] = true
				add(strings.TrimPrefix(lib, "/"), lib)
			}
		}
	}
	if err := errors.Join(w.WriteHeader(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}), w.Close()); err != nil {
		e.t.Fatal(err)
	}
	return &archive
}

// clean removes the images of the test, all of which inherit its label, and their containers.
func (e *engine) clean() {
	for _, id := range strings.Fields(e.docker("ps", "-aq", "--filter", "label="+e.base)) {
		e.docker("rm", "-fv", id)
	}
	for _, image := range strings.Fields(e.docker("images", "-q", "--filter", "label="+e.base)) {
		e.docker("rmi", "-f", image)
	}
}

func (e *engine) docker(args ...string) string {
	e.t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		e.t.Errorf("docker %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (e *engine) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(e.bin, "pm2"), args...)
	cmd.Dir, cmd.Env = e.dir, e.env
	return cmd
}

func (e *engine) pm2(args ...string) (int, string) {
	cmd := e.command(args...)
	out, err := cmd.CombinedOutput()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		e.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// detached starts a container in the background, and returns its number.
func (e *engine) detached(args ...string) (string, string) {
	e.t.Helper()
	code, out := e.pm2(append([]string{"start", "--container", "--dockerdaemon", "--node-version", e.base}, args...)...)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	id := lines[len(lines)-1]
	if code != 0 || len(id) != 64 {
		e.t.Fatalf("start --container %q: exit %d\n%s", args, code, out)
	}
	return out, id
}

// interrupted starts a container in the foreground, and asks its starter to end when text is read.
func (e *engine) interrupted(image, text string) (int, string) {
	e.t.Helper()
	cmd := e.command("start", "app.js", "--container", "--image-name", image)
	out := e.awaitLine(cmd, text, 1, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	return cmd.ProcessState.ExitCode(), out
}

// awaitLog waits until a line is n times in the log of a container, and returns the log.
func (e *engine) awaitLog(id, line string, n int) string {
	e.t.Helper()
	cmd := exec.Command("docker", "logs", "-f", id)
	return e.awaitLine(cmd, line, n, func() { _ = cmd.Process.Kill() })
}

// awaitLine runs a program, calls then when it has written text n times, and returns
// at its end what it wrote.
func (e *engine) awaitLine(cmd *exec.Cmd, text string, n int, then func()) string {
	e.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		e.t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		e.t.Fatal(err)
	}
	late := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	var all strings.Builder
	for lines := bufio.NewScanner(r); lines.Scan(); {
		all.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), text) {
			if n--; n == 0 {
				then()
			}
		}
	}
	_ = cmd.Wait()
	if n > 0 {
		e.t.Fatalf("%v: %q is %d times missing in\n%s", cmd.Args, text, n, all.String())
	}
	return all.String()
}
