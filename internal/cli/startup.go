package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/pm2"
)

var bootVerbs = []verb{
	{
		use: "startup [systemd|openrc|launchd]", short: "Have the machine start tend when it starts", most: 1,
		topics: []topic{booting, homing, general}, run: runStartup,
		long: `Writes a service for the init system that is there, or the one named, and
enables it. The daemon starts again what was up: there is nothing to save. It
needs root, and prints the command for that; not so with --user, which makes a
service of the user's own, started when the user logs in.

By systemd the keeper is the service: if it is killed, or the daemon, or both, the
apps run on and are taken over with their pids; while the service is restarted,
systemd has the listening sockets, and nobody is refused.`,
		example: `tend startup                    # prints the command to run as root
sudo tend startup --as ann --home /home/ann/.local/state/tend
tend startup --user             # systemctl --user
tend startup openrc --print     # only show the file`,
	},
	{
		use: "unstartup [systemd|openrc|launchd]", short: "Take that back", most: 1,
		topics: []topic{booting, homing, general}, run: runUnstartup,
		long: "Disables the service and removes its file. What runs runs on.",
		example: `sudo tend unstartup --as ann
tend unstartup --user`,
	},
	{
		use: "daemon", short: "Guard in the foreground, as an init system wants it", most: 0,
		topics: []topic{general}, run: runDaemon,
		long: `For services and containers: the process becomes the keeper, and ends when it is
told to (SIGTERM), every app stopped in order. It speaks the protocol of systemd's
services: NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS. Where a daemon serves already
that others have started, it stands in for that one's keeper.`,
		example: `tend daemon`,
	},
}

func runDaemon(_ context.Context, c *command, _ operands) error { return c.daemon.Foreground() }

// ownSystems are the init systems that tend makes a service for by its own name.
var ownSystems = []initSystem{
	{
		name: "systemd", proof: "systemctl", mode: 0o644, text: systemdNotifyUnit,
		file: func(s service) string {
			if s.own {
				return filepath.Join(s.folder, ".config/systemd/user", s.name+".service")
			}
			return "/etc/systemd/system/" + s.name + ".service"
		},
		on: func(s service) [][]string {
			return [][]string{s.systemctl("daemon-reload"), s.systemctl("enable", s.name)}
		},
		off:   func(s service) [][]string { return [][]string{s.systemctl("disable", s.name)} },
		after: func(s service) [][]string { return [][]string{s.systemctl("daemon-reload")} },
	},
	{
		name: "openrc", proof: "rc-update", mode: 0o755, text: openrcScript,
		file:  func(s service) string { return "/etc/init.d/" + s.name },
		on:    func(s service) [][]string { return [][]string{{"rc-update", "add", s.name, "default"}} },
		off:   func(s service) [][]string { return [][]string{{"rc-update", "delete", s.name, "default"}} },
		after: func(service) [][]string { return nil },
	},
	{
		name: "launchd", proof: "launchctl", mode: 0o644, text: launchdList,
		file:  launchdFile,
		on:    func(s service) [][]string { return [][]string{{"launchctl", "load", "-w", launchdFile(s)}} },
		off:   func(s service) [][]string { return [][]string{{"launchctl", "unload", "-w", launchdFile(s)}} },
		after: func(service) [][]string { return nil },
	},
}

func (s service) systemctl(args ...string) []string {
	if s.own {
		return append([]string{"systemctl", "--user"}, args...)
	}
	return append([]string{"systemctl"}, args...)
}

// systemdNotifyUnit is a unit of tend by its own name.
func systemdNotifyUnit(s service) string {
	return unitText(s, unit{title: "tend,", home: "TEND_HOME=" + s.home, program: systemdWord(s.program)})
}

// unit is what one of systemd's has by the name that tend goes by.
type unit struct {
	title   string
	home    string // a variable
	program string // words before a verb
	more    string // lines
}

// unitText is a unit whose main process is the keeper. KillMode=process and the
// descriptor store let the apps outlive it; an app that the kernel kills for want of
// memory is the daemon's to restart, and no reason to stop the unit.
func unitText(s service, u unit) string {
	user, target := "User="+s.user+"\n", "multi-user.target"
	if s.own {
		user, target = "", "default.target"
	}
	return fmt.Sprintf(`[Unit]
Description=%[7]s for %[1]s
Documentation=https://github.com/tendproc/tend
After=network.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=all
%[2]sEnvironment=%[3]s
Environment=%[4]s
ExecStart=%[5]s daemon
ExecReload=%[5]s reload all
%[8]sRestart=on-failure
RestartSec=100ms
WatchdogSec=60
FileDescriptorStoreMax=16384
KillMode=process
TimeoutStopSec=5min
OOMPolicy=continue
TasksMax=infinity
LimitNOFILE=524288
Delegate=yes

[Install]
WantedBy=%[6]s
`, s.user, user, systemdQuote("PATH="+s.path), systemdQuote(u.home), u.program, target, u.title, u.more)
}

// systemdQuote makes text one word of a unit, with nothing in it replaced.
func systemdQuote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`).Replace(text) + `"`
}

// systemdWord is that for a command, whose dollars systemd would replace too.
func systemdWord(text string) string {
	if strings.ContainsAny(text, " \t\"'\\%$;") {
		return strings.ReplaceAll(systemdQuote(text), "$", "$$")
	}
	return text
}

func openrcScript(s service) string {
	return fmt.Sprintf(`#!/sbin/openrc-run
description="tend, for %[1]s"
supervisor=supervise-daemon
command=%[2]s
command_args=daemon
command_user=%[3]s
respawn_delay=1
respawn_max=0
retry="SIGTERM/300"
extra_started_commands=reload

export PATH=%[4]s
export TEND_HOME=%[5]s

depend() {
	need localmount
	use net logger
}

reload() {
	ebegin "Reloading the apps"
	su -m -s /bin/sh -c 'exec "$0" reload all' %[3]s %[2]s
	eend $?
}
`, s.user, shellQuote(s.program), shellQuote(s.user), shellQuote(s.path), shellQuote(s.home))
}

func launchdName(s service) string { return "net.tendproc." + s.name }

func launchdFile(s service) string {
	if s.own {
		return filepath.Join(s.folder, "Library/LaunchAgents", launchdName(s)+".plist")
	}
	return "/Library/LaunchDaemons/" + launchdName(s) + ".plist"
}

func launchdList(s service) string {
	var b strings.Builder
	text := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace
	user := ""
	if !s.own {
		user = "\t<key>UserName</key>\n\t<string>" + text(s.user) + "</string>\n"
	}
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>%s</string>
%s	<key>ProgramArguments</key>
	<array>
		<string>%s</string>
		<string>daemon</string>
	</array>
	<key>EnvironmentVariables</key>
	<dict>
		<key>PATH</key>
		<string>%s</string>
		<key>TEND_HOME</key>
		<string>%s</string>
	</dict>
	<key>RunAtLoad</key>
	<true/>
	<key>KeepAlive</key>
	<dict>
		<key>SuccessfulExit</key>
		<false/>
	</dict>
	<key>AbandonProcessGroup</key>
	<true/>
	<key>ExitTimeOut</key>
	<integer>300</integer>
</dict>
</plist>
`, text(launchdName(s)), user, text(s.program), text(s.path), text(s.home))
	return b.String()
}

// booted is what startup has made, for --json.
type booted struct {
	System   string     `json:"system"`
	Name     string     `json:"name"`
	User     string     `json:"user"`
	Home     string     `json:"home"`
	Path     string     `json:"path"`
	Text     string     `json:"text,omitempty"`
	Commands [][]string `json:"commands"`
	AsRoot   string     `json:"as_root,omitempty"` // nothing was done: run this
}

func runStartup(ctx context.Context, c *command, o operands) error {
	s, sys, err := c.ownService(o)
	if err != nil {
		return err
	}
	made := booted{System: sys.name, Name: s.name, User: s.user, Home: s.home, Path: c.Root + sys.file(s), Text: sys.text(s), Commands: sys.on(s)}
	switch {
	case c.values.on("print") && c.values.on("json"):
		return c.json(made)
	case c.values.on("print"):
		c.data("%s", made.Text)
		return nil
	case !s.own && !c.IsRoot:
		return c.rootFirst(made, s)
	}
	if err := os.MkdirAll(filepath.Dir(made.Path), 0o755); err != nil {
		return writeFault(made.Path, err)
	}
	if err := pm2.Replace(made.Path, []byte(made.Text)); err != nil {
		return writeFault(made.Path, err)
	}
	if err := os.Chmod(made.Path, sys.mode); err != nil {
		return writeFault(made.Path, err)
	}
	if err := c.runAll(ctx, made.Commands); err != nil {
		return err
	}
	if c.values.on("json") {
		return c.json(made)
	}
	c.done("%s is written, and enabled: tend for %s, home %s", made.Path, s.user, s.home)
	switch {
	case sys.name == "systemd" && s.own:
		c.say("  Now: systemctl --user start %s. Before the first login: loginctl enable-linger\n", s.name)
	case sys.name == "systemd":
		c.say("  Now: systemctl start %s\n", s.name)
	case sys.name == "openrc":
		c.say("  Now: rc-service %s start\n", s.name)
	}
	return nil
}

func writeFault(path string, err error) error {
	return &fault.Error{Code: fault.Denied, Message: "cannot write " + path, Err: err, Remedy: "Nothing was changed."}
}

// rootFirst prints the command line for root.
func (c *command) rootFirst(made booted, s service) error {
	line := fmt.Sprintf("sudo env PATH=%s %s %s %s --as %s --home %s", shellQuote(s.path), shellQuote(s.program), c.verb, made.System, shellQuote(s.user), shellQuote(s.home))
	if name := deref(c.values.text("service-name")); name != "" {
		line += " --service-name " + shellQuote(name)
	}
	if made.AsRoot = line; c.values.on("json") {
		if err := c.json(made); err != nil {
			return err
		}
		return errTold
	}
	c.say("As root, run:\n%s\n", line)
	return errTold
}

func runUnstartup(ctx context.Context, c *command, o operands) error {
	s, sys, err := c.ownService(o)
	if err != nil {
		return err
	}
	gone := booted{System: sys.name, Name: s.name, User: s.user, Home: s.home, Path: c.Root + sys.file(s), Commands: slices.Concat(sys.off(s), sys.after(s))}
	if !s.own && !c.IsRoot {
		return c.rootFirst(gone, s)
	}
	if _, err := os.Stat(gone.Path); err != nil {
		return &fault.Error{Code: fault.NotFound, Message: "there is no " + gone.Path, Err: err, Remedy: "tend startup makes it; --as, --user and --service-name say whose."}
	}
	if err := c.runAll(ctx, sys.off(s)); err != nil {
		return err
	}
	if err := os.Remove(gone.Path); err != nil {
		return writeFault(gone.Path, err)
	}
	if err := c.runAll(ctx, sys.after(s)); err != nil {
		return err
	}
	if c.values.on("json") {
		return c.json(gone)
	}
	c.done("%s is removed", gone.Path)
	return nil
}

// ownService is the service that the flags name, and the init system: the one given,
// else the first of which a program is found.
func (c *command) ownService(o operands) (service, *initSystem, error) {
	user := cmp.Or(deref(c.values.text("as")), c.env("USER"), c.env("LOGNAME"), "root")
	s := service{
		user: user, home: cmp.Or(deref(c.values.text("home")), c.daemon.Home()), program: c.Program, path: c.env("PATH"),
		own: c.values.on("user"), folder: c.env("HOME"),
	}
	s.name = cmp.Or(deref(c.values.text("service-name")), "tend-"+user)
	if s.own && c.values.text("service-name") == nil {
		s.name = "tend"
	}
	if err := errors.Join(properName("--as", s.user), properName("--service-name", s.name)); err != nil {
		return s, nil, err
	}
	if !filepath.IsAbs(s.home) || strings.ContainsAny(s.home, "\n") {
		return s, nil, &fault.Error{Code: fault.Invalid, Field: "--home", Message: "not an absolute path: " + clean(s.home), Remedy: "Give the folder that tend ls has TEND_HOME in."}
	}
	sys, err := c.ownSystem(o)
	if err == nil && s.own && sys.name == "openrc" {
		err = &fault.Error{Code: fault.Unsupported, Field: "--user", Message: "openrc has no services of users", Remedy: "Leave it out, and run it as root."}
	}
	return s, sys, err
}

func properName(flag, text string) error {
	if text == "" || strings.ContainsAny(text, "/\n\t \"'\\%$") || strings.HasPrefix(text, "-") {
		return &fault.Error{Code: fault.Invalid, Field: flag, Message: "not a name: " + clean(text), Remedy: "Give letters, digits and dashes."}
	}
	return nil
}

func (c *command) ownSystem(o operands) (*initSystem, error) {
	var names []string
	for i := range ownSystems {
		sys := &ownSystems[i]
		if len(o.args) > 0 && o.args[0] == sys.name || len(o.args) == 0 && c.onPath(sys.proof) {
			return sys, nil
		}
		names = append(names, sys.name)
	}
	e := &fault.Error{Code: fault.Unsupported, Message: "no init system that tend knows is here", Remedy: "tend knows " + strings.Join(names, ", ") + "; with another, have it run: tend daemon"}
	if len(o.args) > 0 {
		e.Message = "tend does not know the init system " + clean(o.args[0])
	}
	return nil, e
}

// shellQuote makes text one word of a shell.
func shellQuote(text string) string {
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+=,", r)
	}) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
