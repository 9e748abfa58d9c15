package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/pm2"
)

var pm2SmallVerbs = append([]verb{
	{
		use: "inspect NAME|ID", short: "have processes of Node open their debugger's port", least: 1, most: -1,
		topics: []topic{general}, run: runInspect,
	},
	{
		use: "logrotate", short: "write the file by which logrotate turns the logs over", most: -1,
		topics: []topic{general}, run: pm2Logrotate,
	},
	{
		use: "module:generate NAME", short: "write a sample module into a new folder", most: -1,
		topics: []topic{general}, run: pm2Generate,
	},
	{
		use: "package [FOLDER]", short: "pack a module into a file", most: -1,
		topics: []topic{general}, run: pm2Package,
	},
	{
		use: "examples", short: "print some command lines", most: -1,
		topics: []topic{general}, run: pm2Examples, asks: true, data: true,
	},
}, refusedVerbs()...)

// refused are commands of PM2 for which there is nothing to do here, why, and what
// to do instead.
var refused = []struct{ use, why, remedy string }{
	{"autoinstall", "no packages are chosen and installed for you", "Install those that you want: pm2 install MODULE"},
	{"deepUpdate", "tend does not come from npm", "Install a newer tend, and then: pm2 update"},
	{"install-otel", "nothing is put into your apps to trace them", "Add OpenTelemetry to the app, as its documentation says."},
}

func refusedVerbs() []verb {
	list := []verb{{
		use: "uninstall-otel", short: "nothing to do: such packages are never installed", most: -1, topics: []topic{general},
		run: func(_ context.Context, c *command, _ operands) error {
			c.done("no packages for tracing are installed")
			return nil
		},
	}}
	for _, r := range refused {
		list = append(list, verb{
			use: r.use, short: "not here: " + r.why, most: -1, topics: []topic{general},
			run: func(context.Context, *command, operands) error {
				return &fault.Error{Code: fault.Unsupported, Message: r.why + "; nothing was changed", Remedy: r.remedy}
			},
		})
	}
	return list
}

// pm2Logrotate leaves the files in their places, to which the apps go on writing.
func pm2Logrotate(_ context.Context, c *command, _ operands) error {
	name := cmp.Or(deref(c.values.text("user")), c.env("USER"), "root")
	group, err := primaryGroup(name)
	if err != nil {
		return err
	}
	if !c.IsRoot {
		c.say("[PM2] As root, run:\nsudo env PM2_HOME=%s %s pm2 logrotate -u %s\n", c.home.Dir, c.Program, name)
		return errTold
	}
	path := filepath.Join(c.Root, "/etc/logrotate.d/pm2-"+name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	text := fmt.Sprintf("%q %q {\n\trotate 12\n\tweekly\n\tmissingok\n\tnotifempty\n\tcompress\n\tdelaycompress\n\tcopytruncate\n\tsu %s\n}\n",
		c.home.Log, filepath.Join(c.home.Dir, "logs", "*.log"), name+" "+group)
	if err := pm2.Replace(path, []byte(text)); err != nil {
		return err
	}
	if err := os.Chmod(path, 0o644); err != nil { // logrotate refuses what others may write
		return err
	}
	c.done("%s is written", path)
	return nil
}

// primaryGroup is the group that a user has by himself.
func primaryGroup(name string) (string, error) {
	who, err := user.Lookup(name)
	if err != nil {
		return "", &fault.Error{Code: fault.NotFound, Field: "--user", Message: "no user is called " + clean(name), Err: err, Remedy: "Give a user of this machine."}
	}
	group, err := user.LookupGroupId(who.Gid)
	if err != nil {
		return "", &fault.Error{Code: fault.NotFound, Field: "--user", Message: "the group " + who.Gid + " of " + clean(name) + " has no name", Err: err, Remedy: "Give it one in /etc/group."}
	}
	return group.Name, nil
}

const sampleModule = `// A module is a program that pm2 install . runs, and again when a file changes.
// What "config" of package.json says comes as variables: pm2 set NAME:greeting Hi
setInterval(() => console.log(process.env.greeting), 5000);
`

// pm2Generate writes a module that needs no other.
func pm2Generate(_ context.Context, c *command, o operands) error {
	taken := regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`) // by npm, without a scope
	if len(o.args) == 0 || !taken.MatchString(o.args[0]) {
		return &fault.Error{Code: fault.Invalid, Field: "name", Message: "needs a name of small letters, digits and dashes", Remedy: "pm2 module:generate my-module"}
	}
	name := o.args[0]
	dir := c.path(name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return &fault.Error{Code: fault.Conflict, Field: "name", Message: dir + " is there already", Remedy: "Give another name; nothing was changed."}
		}
		return err
	}
	declared, err := json.MarshalIndent(struct {
		Name    string            `json:"name"`
		Version string            `json:"version"`
		Main    string            `json:"main"`
		Config  map[string]string `json:"config"`
		Apps    []map[string]any  `json:"apps"`
	}{name, "0.0.1", "index.js", map[string]string{"greeting": "Hello"}, []map[string]any{{"script": "index.js"}}}, "", "  ")
	if err == nil {
		err = pm2.Replace(filepath.Join(dir, "package.json"), append(declared, '\n'))
	}
	if err == nil {
		err = pm2.Replace(filepath.Join(dir, "index.js"), []byte(sampleModule))
	}
	if err != nil {
		return err
	}
	c.done("%s is written; to run it: cd %s && pm2 install .", dir, name)
	return nil
}

// pm2Package packs a folder as FOLDER-vVERSION.tar.gz into it, as PM2 does.
func pm2Package(ctx context.Context, c *command, o operands) error {
	dir := c.Cwd
	if len(o.args) > 0 {
		dir = c.path(o.args[0])
	}
	_, declared, err := readPackage(filepath.Join(dir, "package.json"))
	if err != nil {
		return err
	}
	version, _ := declared.Get("version").(string)
	version = strings.Map(func(r rune) rune {
		if strings.ContainsRune("./\\", r) {
			return '-'
		}
		return r
	}, cmp.Or(version, "0.0.0"))
	name := filepath.Base(dir)
	packed := filepath.Join(dir, name+"-v"+version+".tar.gz")
	if err := pack(ctx, dir, packed, c.Env); err != nil {
		return err
	}
	c.done("module packaged in %s", packed)
	return nil
}

// pack writes a folder, without what was installed or packed before, as the archive packed. Nothing of
// that name is seen half written. The file is there before tar reads the folder, which so does not
// change while it is read: tar would say so and fail.
func pack(ctx context.Context, dir, packed string, env []string) error {
	cannot := func(why string, err error) error {
		return &fault.Error{Code: fault.StartFailed, Message: why, Err: err, Remedy: "Install tar; the folder must be writable."}
	}
	file, err := os.CreateTemp(dir, ".*.tar.gz")
	if err != nil {
		return cannot("cannot write into "+dir, err)
	}
	defer os.Remove(file.Name())
	defer file.Close()
	args := []string{"-czf", file.Name(), "--exclude=node_modules", "--exclude=*.tar.gz", "-C", filepath.Dir(dir), "--", filepath.Base(dir)}
	if said, err := child.ExecFile(ctx, "tar", args, child.ExecOptions{Dir: dir, Env: env}); err != nil {
		return cannot("tar failed: "+clean(string(said.Stderr)), err)
	}
	if err := errors.Join(file.Chmod(0o644), os.Rename(file.Name(), packed)); err != nil {
		return cannot("cannot write "+packed, err)
	}
	return nil
}

const exampleLines = `pm2 start app.js --name app            # start a program, and keep it up
pm2 start app.js -i max                # a worker for each CPU, on one port
pm2 start ecosystem.config.js --env production
pm2 ls                                 # what runs
pm2 logs app                           # what it writes
pm2 reload app                         # replace it without a gap
pm2 restart app, stop app, delete app
pm2 save                               # keep the list, for the next start
pm2 startup                            # start it with the machine
pm2 completion install                 # the shell completes commands
`

func pm2Examples(_ context.Context, c *command, _ operands) error {
	c.data("%s", exampleLines)
	return nil
}
