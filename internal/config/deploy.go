package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tendproc/tend/internal/fault"
)

// Target is one environment of the section deploy: where it is, and what runs there.
//
//	PATH/source            the repository
//	PATH/current           a link to it
//	PATH/shared/{logs,pids}  what outlives a deployment; $SHARED of the hooks
//	PATH/.deploys          a commit a line, the latest last
type Target struct {
	Name       string
	Hosts      []Host
	Key        string // file of a private key; "" for ssh's own choice
	SSHOptions []string
	Ref, Repo  string
	Path       string
	Hooks      map[string]string
	Env        map[string]string // of post-deploy
}

// Host is one machine of a target. Port and User may be empty.
type Host struct{ Name, User, Port string }

// String is the host as ssh is told.
func (h Host) String() string {
	if h.User == "" {
		return h.Name
	}
	return h.User + "@" + h.Name
}

// Step is one thing that a deployment does.
type Step struct {
	Doing   string // for people
	Local   bool   // here, and not on the host
	Command string // for sh; "" for none
	Remedy  string // if it fails
}

// deployHooks are the commands that a target may have.
var deployHooks = []string{"pre-setup", "post-setup", "pre-deploy-local", "pre-deploy", "post-deploy"}

// Targets are the names of the environments that a file deploys to.
func Targets(tree any) []string {
	m, _ := tree.(map[string]any)
	section, _ := m["deploy"].(map[string]any)
	return slices.Sorted(maps.Keys(section))
}

// ReadTarget reads one environment of the section deploy.
func ReadTarget(tree any, name string) (Target, error) {
	m, _ := tree.(map[string]any)
	section, _ := m["deploy"].(map[string]any)
	values, ok := section[name].(map[string]any)
	if !ok {
		return Target{}, noTarget(name, Targets(tree))
	}
	t := Target{Name: name, Hooks: map[string]string{}}
	r := targetReader{name: name, values: values}
	user, port := r.text("user"), r.text("port")
	t.Key, t.Ref, t.Repo = r.text("key"), r.required("ref"), r.required("repo")
	t.Path = strings.TrimRight(r.required("path"), "/")
	t.Hosts = r.hosts(user, port)
	for _, o := range r.texts("ssh_options") {
		t.SSHOptions = append(t.SSHOptions, strings.TrimSpace(strings.TrimPrefix(o, "-o ")))
	}
	for _, hook := range deployHooks {
		if values[hook] != nil {
			t.Hooks[hook] = r.text(hook)
		}
	}
	if values["env"] != nil {
		env, err := asVariables(values["env"])
		if err != nil {
			r.fail("env", err.Error(), "Write it as { NAME: \"value\" }.")
		}
		t.Env = env
	}
	r.plain(t)
	return t, r.err
}

func noTarget(name string, known []string) error {
	e := &fault.Error{Code: fault.NotFound, Field: "deploy", Message: fmt.Sprintf("the environment %s is not in the file", name)}
	if e.Remedy = "The section deploy has " + strings.Join(known, ", ") + "."; len(known) == 0 {
		e.Remedy = "The file has no section deploy; add deploy: { " + name + ": { host, ref, repo, path } } beside apps."
	}
	return e
}

// targetReader reads the keys of a target, and keeps the first error.
type targetReader struct {
	name   string
	values map[string]any
	err    error
}

func (r *targetReader) fail(key, message, remedy string) {
	if r.err == nil {
		r.err = &fault.Error{Code: fault.Invalid, Field: "deploy." + r.name + "." + key, Message: message, Remedy: remedy}
	}
}

func (r *targetReader) text(key string) string {
	v := r.values[key]
	if v == nil {
		return ""
	}
	s, err := scalar(v)
	if err != nil || strings.ContainsRune(s, 0) {
		r.fail(key, "is not a text", "Write it as one text in quotes.")
	}
	return s
}

func (r *targetReader) required(key string) string {
	s := r.text(key)
	if s == "" {
		r.missing(key)
	}
	return s
}

func (r *targetReader) missing(key string) {
	r.fail(key, "is missing", "Missing required property: "+key+"; a target needs host, ref, repo and path.")
}

func (r *targetReader) texts(key string) []string {
	list, many := r.values[key].([]any)
	if !many {
		if s := r.text(key); s != "" {
			return []string{s}
		}
		return nil
	}
	var out []string
	for _, v := range list {
		s, err := scalar(v)
		if err != nil {
			r.fail(key, "holds what is not a text", "Write it as a list of texts.")
		}
		out = append(out, s)
	}
	return out
}

// hosts are texts, or objects that have a user or a port of their own.
func (r *targetReader) hosts(user, port string) (hosts []Host) {
	list, many := r.values["host"].([]any)
	if !many {
		list = []any{r.values["host"]}
	}
	for _, v := range list {
		one := targetReader{name: r.name, values: map[string]any{"host": v}}
		if m, ok := v.(map[string]any); ok {
			one.values = m
		}
		h := Host{Name: one.required("host"), User: user, Port: port}
		if own := one.text("user"); own != "" {
			h.User = own
		}
		if own := one.text("port"); own != "" {
			h.Port = own
		}
		if r.err == nil {
			r.err = one.err
		}
		hosts = append(hosts, h)
	}
	if len(hosts) == 0 {
		r.missing("host")
	}
	return hosts
}

// plain refuses what ssh or git would take for an option.
func (r *targetReader) plain(t Target) {
	for _, kv := range [][2]string{{"ref", t.Ref}, {"repo", t.Repo}, {"path", t.Path}, {"key", t.Key}} {
		if strings.HasPrefix(kv[1], "-") {
			r.fail(kv[0], "begins with -", "ssh and git would take it for an option.")
		}
	}
	for _, h := range t.Hosts {
		if strings.HasPrefix(h.String(), "-") || strings.ContainsAny(h.String(), " \t\n") {
			r.fail("host", "is no name of a host: "+h.String(), "Write the name or the address alone.")
		}
	}
}

// SSH are the arguments of ssh before the command.
func (t Target) SSH(h Host) (args []string) {
	for _, o := range t.SSHOptions {
		args = append(args, "-o", o)
	}
	if h.Port != "" {
		args = append(args, "-p", h.Port)
	}
	if t.Key != "" {
		args = append(args, "-i", t.Key)
	}
	return append(args, h.String())
}

// Setup makes the folders of a target, and clones the repository.
func (t Target) Setup() []Step {
	clone := "git clone --branch " + shellQuote(t.branch()) + " " + shellQuote(t.Repo) + " " + t.at("/source")
	return []Step{
		{Doing: "pre-setup", Command: t.Hooks["pre-setup"], Remedy: "The command is the file's own."},
		{
			Doing: "making the folders", Command: "mkdir -p " + t.at("/shared/logs") + " " + t.at("/shared/pids") + " " + t.at("/source"),
			Remedy: "The user must be let in by ssh without a question (ssh-agent, or key), and may write to path.",
		},
		{Doing: "cloning " + t.Repo, Command: clone, Remedy: "The host must reach repo, and ref be a branch or a tag of it. Where source is there already, deploy without setup."},
		{Doing: "linking current", Command: t.link(), Remedy: "The user must be able to write to path."},
		{Doing: "post-setup", Command: t.inside(t.Hooks["post-setup"]), Remedy: "The command is the file's own."},
	}
}

// Deploy takes the repository to ref.
func (t Target) Deploy(ref string) []Step {
	post := t.Hooks["post-deploy"]
	if len(t.Env) > 0 && post != "" {
		var export []string
		for _, key := range slices.Sorted(maps.Keys(t.Env)) {
			export = append(export, key+"="+shellQuote(t.Env[key]))
		}
		post = "export " + strings.Join(export, " ") + " && " + post
	}
	return []Step{
		{Doing: "pre-deploy-local", Local: true, Command: t.Hooks["pre-deploy-local"], Remedy: "The command is the file's own; nothing was changed on the host."},
		{Doing: "pre-deploy", Command: t.inside(t.Hooks["pre-deploy"]), Remedy: "The command is the file's own; nothing was deployed to the host."},
		{Doing: "fetching", Command: t.source("git fetch --all --tags"), Remedy: "The host must be set up first, and reach repo."},
		{Doing: "resetting to " + ref, Command: t.source("git reset --hard " + remoteRef(ref)), Remedy: "A ref is a branch, a tag or a commit of repo."},
		{Doing: "linking current", Command: t.link(), Remedy: "The user must be able to write to path."},
		{Doing: "noting the commit", Command: t.source("git rev-parse HEAD >> " + t.at("/.deploys")), Remedy: "The user must be able to write to path."},
		{Doing: "post-deploy", Command: t.inside(post), Remedy: "The command is the file's own; the repository is at " + ref + " already: revert takes it back."},
	}
}

// remoteRef is what the repository has by that name, for the host's shell: its own
// branch main would be what was deployed last.
func remoteRef(ref string) string {
	if strings.HasPrefix(ref, "HEAD") {
		return shellQuote(ref)
	}
	return "\"$(git rev-parse -q --verify " + shellQuote("refs/remotes/origin/"+ref) + " || echo " + shellQuote(ref) + ")\""
}

// Current prints the commit that is deployed, Past the file of all.
func (t Target) Current() string { return t.source("git rev-parse --short HEAD") }

// Past prints the commits that were deployed, the latest last.
func (t Target) Past() string { return "cat " + t.at("/.deploys") }

// Exec carries a command out where the app is.
func (t Target) Exec(command string) string { return "cd " + t.at("/current") + " && " + command }

func (t Target) source(command string) string { return "cd " + t.at("/source") + " && " + command }

func (t Target) link() string { return "ln -sfn " + t.at("/source") + " " + t.at("/current") }

func (t Target) inside(hook string) string {
	if hook == "" {
		return ""
	}
	return "cd " + t.at("/current") + " && export SHARED=" + t.at("/shared") + " && " + hook
}

func (t Target) branch() string { return strings.TrimPrefix(t.Ref, "origin/") }

// at is a path of the host, for its shell. Its ~ is that of the user there.
func (t Target) at(below string) string {
	if rest, ok := strings.CutPrefix(t.Path, "~/"); ok {
		return "~/" + shellQuote(rest+below)
	}
	return shellQuote(t.Path + below)
}

func shellQuote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-:@,+~^", r)
	}
	if s != "" && s[0] != '~' && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// PostUpdate are the commands that an app of the file has for after a change of its
// checkout.
func PostUpdate(tree any, name string) ([]string, error) {
	list := []any{tree}
	if m, ok := tree.(map[string]any); ok && m["apps"] != nil {
		list = []any{m["apps"]}
	}
	for len(list) == 1 {
		many, ok := list[0].([]any)
		if !ok {
			break
		}
		list = many
	}
	for _, v := range list {
		m, ok := v.(map[string]any)
		if !ok || m["name"] != name {
			continue
		}
		r := targetReader{values: m}
		commands := r.texts("post_update")
		if r.err != nil {
			return nil, &fault.Error{Code: fault.Invalid, Op: name, Field: "post_update", Message: "is no list of commands", Remedy: "Write it as [\"npm ci\"]."}
		}
		return commands, nil
	}
	return nil, nil
}

// DefaultPostDeploy is what follows a deployment of which the file says nothing more.
func (t Target) DefaultPostDeploy(program, file string) string {
	return program + " startOrRestart " + shellQuote(file) + " --env " + shellQuote(t.Name)
}
