package cli

import (
	"archive/tar"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/pm2"
	"github.com/tendproc/tend/internal/spec"
)

// container is what start --container is to make of a folder: an image with the app in
// it, or for development one that the folder is mounted into.
type container struct {
	file  string // its Dockerfile
	image string
	dist  bool
	line  []string // what runs in it
}

// startContainer builds an image of the app with Docker, and runs it.
func (c *command) startContainer(ctx context.Context, o operands) error {
	if runtime.GOOS != "linux" {
		return &fault.Error{Code: fault.Unsupported, Field: "--container", Message: "needs the tend of Linux, which goes into the image", Remedy: "Write a Dockerfile as docs/containers.md has it."}
	}
	t, err := c.containerOf(o)
	if err != nil {
		return err
	}
	if err := c.watched(ctx, child.Command{Path: "docker", Args: []string{"version", "-f", "{{.Client.Version}}"}, Env: c.Env, Dir: c.Cwd}, nil); err != nil {
		return &fault.Error{Code: fault.NotFound, Message: "docker cannot be used; nothing was changed", Err: err, Remedy: "Install Docker, and see that docker version tells of it."}
	}
	text, err := os.ReadFile(t.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	detached := c.values.on("dockerdaemon")
	if text == nil && !detached && !c.agrees("No Dockerfile in this folder, ok to write one?") {
		c.done("nothing was changed")
		return nil
	}
	if err := c.buildProgram(ctx); err != nil {
		return &fault.Error{Code: fault.StartFailed, Message: "the image " + programImage + " was not built; no file was changed", Err: err, Remedy: "See what docker says of it."}
	}
	if err := pm2.Replace(t.file, []byte(t.dockerfile(string(text), deref(c.values.text("node-version"))))); err != nil {
		return writeFault(t.file, err)
	}
	build := []string{"build", "-t", t.image, "-f", t.file}
	if c.values.on("fresh") {
		build = append(build, "--no-cache")
	}
	if err := c.tool(ctx, c.Cwd, "docker", append(build, ".")...); err != nil {
		return &fault.Error{Code: fault.StartFailed, Message: "the image was not built; " + t.file + " is written", Err: err, Remedy: "See what docker says of it."}
	}
	c.done("the image %s is built, by %s", clean(t.image), t.file)
	run := []string{"run", "--net", "host"}
	if detached {
		run = append(run, "-d")
	}
	if !t.dist {
		run = append(run, "-v", c.Cwd+":/var/app", "-v", "/var/app/node_modules")
	}
	err = c.tool(ctx, c.Cwd, "docker", append(run, t.image)...)
	if errors.Is(err, context.Canceled) { // and the container has ended by it
		return exitCode(exitInterrupted)
	}
	return err
}

// programImage has nothing but this program in it, which the app's image takes from there.
// A build that misses it asks this machine for it, not a registry where it is another's.
const programImage = "localhost/tend"

// buildProgram makes programImage; Docker keeps the one that it has when nothing is new.
func (c *command) buildProgram(ctx context.Context) error {
	program, err := os.ReadFile(c.Program)
	if err != nil {
		return err
	}
	files, err := os.CreateTemp("", "tend-image-")
	if err != nil {
		return err
	}
	defer os.Remove(files.Name())
	defer files.Close()
	w := tar.NewWriter(files)
	err = errors.Join(inTar(w, "Dockerfile", []byte("FROM scratch\nCOPY tend /tend\n")), inTar(w, "tend", program), w.Close())
	if err != nil {
		return err
	}
	if _, err := files.Seek(0, io.SeekStart); err != nil {
		return err
	}
	build := child.Command{Path: "docker", Args: []string{"build", "-q", "-t", programImage, "-"}, Env: c.Env, Dir: c.Cwd}
	build.Stdio = []child.Stdio{child.File(files)}
	return c.watched(ctx, build, nil)
}

func inTar(w *tar.Writer, name string, data []byte) error {
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}

func (c *command) containerOf(o operands) (t container, err error) {
	word := defaultConfig
	if len(o.args) > 0 {
		word = o.args[0]
	}
	if len(o.args) > 1 {
		return t, &fault.Error{Code: fault.Invalid, Field: "--container", Message: "takes one program or file", Remedy: "Put the others into a configuration file; nothing was changed."}
	}
	if filepath.IsAbs(word) {
		if word, err = filepath.Rel(c.Cwd, word); err != nil {
			return t, err
		}
	}
	if !filepath.IsLocal(word) || spec.IsConfig(word) && !exists(filepath.Join(c.Cwd, word)) {
		return t, &fault.Error{Code: fault.NotFound, Field: "--container", Message: clean(word) + " is not in this folder, which is all that the container has of this machine", Remedy: "Go to the folder of the app first; nothing was changed."}
	}
	t = container{file: filepath.Join(c.Cwd, "Dockerfile"), dist: c.values.on("dist"), image: deref(c.values.text("image-name"))}
	if t.image == "true" {
		t.image = ""
	}
	if t.image == "" && t.dist {
		return t, &fault.Error{Code: fault.Invalid, Field: "--image-name", Message: "is missing, and --dist needs it", Remedy: "Say how the image is to be called; nothing was changed."}
	}
	if t.image == "" {
		t.image = strings.ToLower(rand.Text()[:12])
	}
	program, section := "pm2-dev", "development"
	if t.dist {
		program, section = "pm2-docker", "production"
	}
	t.line = []string{program, word}
	if spec.IsConfig(word) {
		t.line = append(t.line, "--env", cmp.Or(deref(c.values.text("env")), section))
	}
	if len(o.own) > 0 {
		t.line = append(append(t.line, "--"), o.own...)
	}
	return t, nil
}

// modeMark begins the part of a Dockerfile that is written anew each time.
const modeMark = "\n## "

// dockerfile is the text that was there, or a new one, with the end that the mode needs.
func (t container) dockerfile(text, node string) string {
	if text == "" {
		text = fmt.Sprintf(`FROM node:%s
COPY --from=%s tend /usr/local/bin/tend
RUN cd /usr/local/bin && ln -s tend pm2 && ln -s tend pm2-dev && ln -s tend pm2-docker && ln -s tend pm2-runtime
WORKDIR /var/app
`, nodeTag(node), programImage)
		if exists(filepath.Join(filepath.Dir(t.file), "package.json")) {
			text += "COPY package*.json /var/app/\nRUN npm install\n"
		}
	} else if first, rest, ok := strings.Cut(text, "\n"); ok && node != "" && strings.HasPrefix(first, "FROM node:") {
		text = "FROM node:" + nodeTag(node) + "\n" + rest
	}
	for _, mode := range []string{"DEVELOPMENT MODE", "DISTRIBUTION MODE"} {
		text, _, _ = strings.Cut(text, modeMark+mode)
	}
	line, _ := json.Marshal(t.line) // of strings: it never fails
	text = strings.TrimRight(text, "\n") + "\n" + modeMark
	if t.dist {
		return text + "DISTRIBUTION MODE\nENV NODE_ENV=production\nCOPY . /var/app/\nCMD " + string(line) + "\n"
	}
	return text + "DEVELOPMENT MODE\nENV NODE_ENV=development\nCMD " + string(line) + "\n"
}

func nodeTag(version string) string {
	if version == "" || version == "true" || version == "latest" {
		return "lts-slim"
	}
	return version + "-slim"
}
