package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tendproc/tend/internal/pm2"
)

// The Dockerfile keeps what is one's own; its end follows the mode.
func TestContainerFile(t *testing.T) {
	dir := t.TempDir()
	docker := "#!/bin/sh\n[ \"$1 $2\" != \"$FAIL\" ]\n"
	for name, text := range map[string]string{"docker": docker, "package.json": "{}", "eco.config.js": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	start := func(answer string, env string, args ...string) (int, string, string) {
		var both bytes.Buffer
		stdio := IO{In: strings.NewReader(answer), Out: &both, Err: &both, Cwd: dir, Program: filepath.Join(dir, "docker"), Env: []string{"PATH=" + dir, env}}
		home := PM2{Home: pm2.HomeOf(func(string) string { return "" }, dir), Daemon: fakeDaemon{down: true}}
		code := RunPM2(context.Background(), append([]string{"start", "--container"}, args...), stdio, home)
		text, _ := os.ReadFile(filepath.Join(dir, "Dockerfile"))
		return code, string(text), both.String()
	}
	if code, text, out := start("y\n", "FAIL=version -f", "app.js"); code != 1 || text != "" || !strings.Contains(out, "docker cannot be used") {
		t.Errorf("without docker: %d %q %s", code, text, out)
	}
	if code, text, out := start("y\n", "FAIL=build -q", "app.js"); code != 1 || text != "" || !strings.Contains(out, "no file was changed") {
		t.Errorf("without the image of tend: %d %q %s", code, text, out)
	}
	const head = `FROM node:lts-slim
COPY --from=localhost/tend tend /usr/local/bin/tend
RUN cd /usr/local/bin && ln -s tend pm2 && ln -s tend pm2-dev && ln -s tend pm2-docker && ln -s tend pm2-runtime
WORKDIR /var/app
COPY package*.json /var/app/
RUN npm install
`
	code, text, out := start("y\n", "FAIL=", filepath.Join(dir, "app.js"), "--", "a b", "c")
	if want := head + "\n## DEVELOPMENT MODE\nENV NODE_ENV=development\nCMD [\"pm2-dev\",\"app.js\",\"--\",\"a b\",\"c\"]\n"; code != 0 || text != want {
		t.Errorf("%d %s\n%s", code, out, text)
	}
	own := strings.Replace(text, "\n## ", "RUN echo mine\n\n## ", 1)
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	code, text, out = start("", "FAIL=build -t", "eco.config.js", "--dist", "--image-name", "im", "--node-version", "22")
	want := strings.Replace(head, "lts", "22", 1) + "RUN echo mine\n\n## DISTRIBUTION MODE\nENV NODE_ENV=production\nCOPY . /var/app/\nCMD [\"pm2-docker\",\"eco.config.js\",\"--env\",\"production\"]\n"
	if code != 1 || text != want || !strings.Contains(out, "was not built") {
		t.Errorf("%d %s\n%s", code, out, text)
	}
	for _, args := range [][]string{{"a.js", "b.js"}, {"a.js", "--dist"}, {"../a.js"}, {"/a.js"}, {"gone.config.js"}, {}} {
		if code, _, out := start("", "FAIL=", args...); code != 1 || !strings.Contains(out, "nothing was changed") {
			t.Errorf("%q: %d %s", args, code, out)
		}
	}
}
