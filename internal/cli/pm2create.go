package cli

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/pm2"
)

var pm2CreateVerbs = []verb{{
	use: "create [SAMPLE]", short: "copy a sample project into a new folder, and start it", most: -1,
	topics: []topic{general}, run: pm2Create,
}}

// sample is a project to begin with. Its ecosystem.config.js says what is started.
type sample struct {
	name, about string
	files       map[string]string
}

var samples = []sample{
	{"http-server", "an HTTP server of Node, as a cluster", map[string]string{
		"api.js": `const http = require('http')
http.createServer((request, response) => response.end('hello from process ' + process.pid + '\n')).listen(process.env.PORT || 8000)
`,
		defaultConfig: `module.exports = {
  apps: [{ name: 'API', cwd: __dirname, script: 'api.js', instances: 4, env: { PORT: process.env.PORT || 8000 } }],
}
`,
		"README.md": `# An HTTP server, as a cluster

Four processes share a port: curl http://localhost:8000. pm2 scale API +2 adds two,
pm2 reload API replaces them one by one, and no request is refused.
`,
	}},
	{"python-app", "a program in Python", map[string]string{
		"echo.py": `import time

while True:
    print("hello", flush=True)
    time.sleep(1)
`,
		defaultConfig: `module.exports = {
  apps: [{ name: 'echo', cwd: __dirname, script: 'echo.py' }],
}
`,
		"README.md": `# A program in Python

What it prints is in pm2 logs echo. The interpreter follows from the file's name;
interpreter: 'python3.12' names another one.
`,
	}},
}

// pm2Create writes the sample that is named, or chosen from the list, into this folder.
func pm2Create(ctx context.Context, c *command, o operands) error {
	s, err := c.chooseSample(o.args)
	if err != nil {
		return err
	}
	dir := filepath.Join(c.Cwd, s.name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return &fault.Error{Code: fault.Conflict, Message: dir + " is there already", Remedy: "Go to another folder; nothing was changed."}
		}
		return writeFault(dir, err)
	}
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		if err := pm2.Replace(filepath.Join(dir, name), []byte(s.files[name])); err != nil {
			return writeFault(filepath.Join(dir, name), err)
		}
	}
	c.say("%s\n", s.files["README.md"])
	c.done("the project is in ./%s", s.name)
	return pm2Start(ctx, c, operands{args: []string{filepath.Join(dir, defaultConfig)}})
}

func (c *command) chooseSample(args []string) (sample, error) {
	for i, s := range samples {
		c.say("  %d) %s - %s\n", i+1, s.name, s.about)
	}
	word := ""
	if len(args) > 0 {
		word = args[0]
	} else {
		c.say("Select a sample: ")
		if c.In != nil {
			word, _ = bufio.NewReader(c.In).ReadString('\n')
			word = strings.TrimSpace(word)
		}
	}
	for i, s := range samples {
		if word == s.name || word == strconv.Itoa(i+1) {
			return s, nil
		}
	}
	return sample{}, &fault.Error{Code: fault.Invalid, Field: "SAMPLE", Message: "no such sample: " + clean(word), Remedy: "Give the number or the name of one of them; nothing was changed."}
}
