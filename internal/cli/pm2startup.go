package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/pm2"
)

var pm2StartupVerbs = []verb{
	{
		use: "startup [systemd|upstart]", short: "have the machine start what was saved when it starts", most: -1,
		topics: []topic{general}, run: pm2Startup,
	},
	{
		use: "unstartup [systemd|upstart]", short: "take that back", most: -1,
		topics: []topic{general}, run: pm2Unstartup,
	},
	{
		use: "daemon [boot]", short: "for services: guard in the foreground; boot, when it is up: start what was saved", most: 1,
		topics: []topic{general}, run: pm2Foreground,
	},
}

// pm2Foreground is what the unit runs; with an operand, what it runs then.
func pm2Foreground(ctx context.Context, c *command, o operands) error {
	if len(o.args) == 0 {
		return c.daemon.Foreground()
	}
	if o.args[0] != "boot" {
		return &fault.Error{Code: fault.Invalid, Op: "daemon", Message: "not known: " + clean(o.args[0]), Remedy: "pm2 startup makes the service that uses it."}
	}
	svc, err := c.ensure(ctx)
	if err != nil {
		return err
	}
	snap, err := svc.List(ctx, event.Query{Brief: true})
	if err != nil || len(snap.Instances) > 0 { // a former daemon left all that was there
		return err
	}
	c.startModules(ctx, svc)
	return pm2Resurrect(ctx, c, operands{})
}

// initSystem is one that starts programs with the machine.
type initSystem struct {
	name  string
	proof string // the program by which it is known
	file  func(s service) string
	text  func(s service) string
	mode  os.FileMode
	on    func(s service) [][]string // commands, after the file is written
	off   func(s service) [][]string // commands, before the file is removed
	after func(s service) [][]string // commands, after that
}

// service is what is to be started with the machine.
type service struct {
	name, user, home, program, path string

	own    bool   // one of the user's own services, in folder
	folder string // the user's
}

var initSystems = []initSystem{
	{
		name: "systemd", proof: "systemctl", mode: 0o644, text: systemdUnit,
		file:  func(s service) string { return "/etc/systemd/system/" + s.name + ".service" },
		on:    func(s service) [][]string { return [][]string{{"systemctl", "enable", s.name}} },
		off:   func(s service) [][]string { return [][]string{{"systemctl", "disable", s.name}} },
		after: func(service) [][]string { return [][]string{{"systemctl", "daemon-reload"}} },
	},
	{
		name: "upstart", proof: "update-rc.d", mode: 0o755, text: initScript,
		file: func(s service) string { return "/etc/init.d/" + s.name },
		on: func(s service) [][]string {
			return [][]string{{"mkdir", "-p", "/var/lock/subsys"}, {"touch", "/var/lock/subsys/" + s.name}, {"update-rc.d", s.name, "defaults"}}
		},
		off:   func(s service) [][]string { return [][]string{{"update-rc.d", s.name, "disable"}} },
		after: func(s service) [][]string { return [][]string{{"update-rc.d", "-f", s.name, "remove"}} },
	},
}

// systemdUnit is a unit of tend's own, with PM2's home, list and commands. PM2's is of
// Type=forking with a pid file; this daemon may end and be followed by another without
// an end of the service. An app that cannot be started is no reason to stop the others.
func systemdUnit(s service) string {
	program := systemdWord(s.program) + " pm2"
	return unitText(s, unit{
		title: "tend, as pm2,", home: "PM2_HOME=" + s.home, program: program,
		more: "ExecStartPost=-" + program + " daemon boot\nExecStop=" + program + " kill\nLimitNPROC=infinity\nLimitCORE=infinity\n",
	})
}

func initScript(s service) string {
	return fmt.Sprintf(`#!/bin/sh
### BEGIN INIT INFO
# Provides:          %[1]s
# Required-Start:    $local_fs $remote_fs $network
# Required-Stop:     $local_fs $remote_fs $network
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: tend, as pm2, for %[2]s
### END INIT INFO

export PATH=%[5]s
export PM2_HOME=%[3]s

as() { su -m -s /bin/sh -c "%[4]s pm2 $*" %[2]s; }

case "$1" in
start) as resurrect ;;
stop) as kill ;;
restart) as kill; as resurrect ;;
reload) as reload all ;;
status) as list ;;
*) echo "usage: $0 start|stop|restart|reload|status" >&2; exit 2 ;;
esac
`, s.name, s.user, s.home, s.program, s.path)
}

func pm2Startup(ctx context.Context, c *command, o operands) error {
	s, sys, err := c.atBoot(o)
	if err != nil {
		return err
	}
	path := filepath.Join(c.Root, sys.file(s))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := pm2.Replace(path, []byte(sys.text(s))); err != nil {
		return err
	}
	if err := os.Chmod(path, sys.mode); err != nil {
		return err
	}
	c.done("%s is written, for %s", path, sys.name)
	if err := c.runAll(ctx, sys.on(s)); err != nil {
		return err
	}
	c.done("the next start of the machine starts what pm2 save has saved")
	return nil
}

func pm2Unstartup(ctx context.Context, c *command, o operands) error {
	s, sys, err := c.atBoot(o)
	if err != nil {
		return err
	}
	if err := c.runAll(ctx, sys.off(s)); err != nil {
		return err
	}
	path := filepath.Join(c.Root, sys.file(s))
	if err := os.Remove(path); err != nil {
		return &fault.Error{Code: fault.NotFound, Message: "cannot remove " + path, Err: err, Remedy: "pm2 startup makes it."}
	}
	if err := c.runAll(ctx, sys.after(s)); err != nil {
		return err
	}
	c.done("%s is removed", path)
	return nil
}

// atBoot is the service that the options name, and the init system: the one given,
// else the first of which a program is found.
func (c *command) atBoot(o operands) (service, *initSystem, error) {
	user := cmp.Or(deref(c.values.text("user")), c.env("USER"), "root")
	s := service{
		name: cmp.Or(deref(c.values.text("service-name")), "pm2-"+user), user: user,
		home: filepath.Join(cmp.Or(deref(c.values.text("hp")), c.env("HOME")), ".pm2"), program: c.Program, path: c.env("PATH"),
	}
	if strings.ContainsAny(s.name+s.user, "/\n \"") {
		return s, nil, &fault.Error{Code: fault.Invalid, Field: "--service-name", Message: "not a name: " + clean(s.name), Remedy: "Give letters, digits and dashes."}
	}
	var chosen *initSystem
	for i := range initSystems {
		sys := &initSystems[i]
		if len(o.args) > 0 && (o.args[0] == sys.name || aliasOf(o.args[0]) == sys.name) || len(o.args) == 0 && chosen == nil && c.onPath(sys.proof) {
			chosen = sys
		}
	}
	switch {
	case chosen == nil:
		return s, nil, &fault.Error{
			Code: fault.Unsupported, Message: "no init system that tend knows is here, or is called that", Remedy: "tend knows systemd and upstart.",
		}
	case !c.IsRoot:
		c.say("[PM2] As root, run:\nsudo env PATH=$PATH:%s %s pm2 %s %s -u %s --hp %s\n",
			filepath.Dir(c.Program), c.Program, c.verb, chosen.name, user, filepath.Dir(s.home))
		return s, nil, errTold
	}
	return s, chosen, nil
}

// aliasOf gives the init system of a distribution, as PM2 has it.
func aliasOf(word string) string {
	switch {
	case slices.Contains([]string{"ubuntu", "centos", "redhat", "arch", "amazon", "oracle", "ubuntu16", "debian"}, word):
		return "systemd"
	case slices.Contains([]string{"ubuntu14", "ubuntu12"}, word):
		return "upstart"
	}
	return ""
}

func (c *command) onPath(program string) bool {
	for dir := range strings.SplitSeq(c.env("PATH"), ":") {
		if info, err := os.Stat(filepath.Join(dir, program)); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return true
		}
	}
	return false
}

// runAll runs commands, and is an error for the first that fails.
func (c *command) runAll(ctx context.Context, commands [][]string) error {
	for _, argv := range commands {
		c.say("%s %s\n", c.paint(dim, c.dialect.marks.doing), strings.Join(argv, " "))
		said, err := child.ExecFile(ctx, argv[0], argv[1:], child.ExecOptions{Dir: "/", Env: c.Env})
		if err != nil {
			e := &fault.Error{Code: fault.StartFailed, Message: strings.Join(argv, " ") + " failed", Err: err, Remedy: "What was written before it stays."}
			if text := strings.TrimSpace(string(said.Stderr)); text != "" {
				e.Log = strings.Split(text, "\n")
			}
			return e
		}
	}
	return nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
