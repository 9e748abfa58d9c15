package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/pm2"
)

var completionVerbs = []verb{{
	use: "completion bash|zsh|fish", short: "Print what makes a shell complete commands, flags and apps", most: -1,
	topics: []topic{general}, run: runCompletion, asks: true,
	long: `The script asks tend for each word; names of apps are those of the daemon, if one
runs: none is started.`,
	example: `. <(tend completion bash)                     # in ~/.bashrc
. <(tend completion zsh)                      # in ~/.zshrc, after compinit
tend completion fish >~/.config/fish/completions/tend.fish`,
}}

// askTime bounds what a shell waits for the names of apps.
const askTime = 2 * time.Second

// Each script asks NAME completion -- WORDS, with the number of the word in
// COMP_CWORD, and takes a word a line.
var completionScripts = map[string]string{
	"bash": `_NAME_completion() {
  local IFS=$'\n'
  COMPREPLY=($(COMP_CWORD="$COMP_CWORD" NAME completion -- "${COMP_WORDS[@]}" 2>/dev/null))
}
complete -o default -o nosort -F _NAME_completion NAME 2>/dev/null || complete -o default -F _NAME_completion NAME
`,
	"zsh": `_NAME_completion() {
  local -a found
  found=(${(f)"$(COMP_CWORD=$((CURRENT - 1)) NAME completion -- "${words[@]}" 2>/dev/null)"})
  if (( $#found )); then compadd -- "${found[@]}"; else _files; fi
}
if type compdef >/dev/null 2>&1; then compdef _NAME_completion NAME; fi
`,
	"fish": `function __NAME_completion
  set -l words (commandline -opc) (commandline -ct)
  COMP_CWORD=(math (count $words) - 1) NAME completion -- $words 2>/dev/null
end
complete -c NAME -a '(__NAME_completion)'
`,
}

func runCompletion(ctx context.Context, c *command, o operands) error {
	if at, err := strconv.Atoi(c.env("COMP_CWORD")); err == nil && len(o.args) != 1 {
		for _, word := range c.complete(ctx, o.args, at) {
			c.data("%s\n", word)
		}
		return nil
	}
	if len(o.args) == 1 {
		if script, ok := completionScripts[o.args[0]]; ok {
			c.data("%s", strings.ReplaceAll(script, "NAME", c.dialect.name))
			return nil
		}
	}
	return &fault.Error{Code: fault.Invalid, Message: "which shell is it for?", Remedy: "Usage: tend completion bash, zsh or fish"}
}

// complete gives what the word at index at, of the command line words, may become.
func (c *command) complete(ctx context.Context, words []string, at int) []string {
	if at < 1 || len(words) == 0 {
		return nil
	}
	words = append(words, "")[:min(at+1, len(words)+1)] // a shell may leave an empty last word out
	begun := words[len(words)-1]
	before := words[1 : len(words)-1]
	if slices.Contains(before, "--") {
		return nil // the app's
	}
	v := c.verbAmong(before)
	var may []string
	switch {
	case len(before) > 0 && takesNext(before[len(before)-1], c.values.fs):
		return nil
	case strings.HasPrefix(begun, "-"):
		may = c.flagsOf(v)
	case v == nil:
		may = append(c.verbNames(), "help")
	default:
		may = c.operandsOf(ctx, v)
	}
	may = slices.DeleteFunc(may, func(word string) bool { return !strings.HasPrefix(word, begun) })
	slices.Sort(may)
	return slices.Compact(may)
}

// verbAmong is the verb of a command line, nil for none.
func (c *command) verbAmong(words []string) *verb {
	for i, word := range words {
		if strings.HasPrefix(word, "-") || i > 0 && takesNext(words[i-1], c.values.fs) {
			continue
		}
		for _, list := range c.dialect.verbs {
			for i := range list {
				if v := &list[i]; v.name() == word || slices.Contains(v.aliases, word) {
					return v
				}
			}
		}
		return nil
	}
	return nil
}

func (c *command) verbNames() (names []string) {
	for _, v := range c.dialect.all() {
		names = append(append(names, v.name()), v.aliases...)
	}
	return names
}

// flagsOf are the flags that mean something to v; nil: those of every command.
func (c *command) flagsOf(v *verb) (names []string) {
	topics := []topic{general}
	if v != nil {
		topics = append(slices.Clone(v.topics), general)
	}
	for _, f := range c.dialect.flags {
		if f.usage != "" && slices.Contains(topics, f.topic) {
			names = append(names, "--"+f.name)
		}
	}
	return names
}

// operandsOf are the words that v's usage names, and the apps there are where it
// takes them.
func (c *command) operandsOf(ctx context.Context, v *verb) []string {
	usage := strings.TrimPrefix(v.use, v.name())
	may := regexp.MustCompile(`\b[a-z][a-z0-9]+\b`).FindAllString(usage, -1) // they stand for themselves
	if !strings.Contains(usage, "NAME") && !strings.Contains(usage, "ID") {
		return may
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	svc, err := c.daemon.Connect(ctx)
	if err != nil {
		return may
	}
	snap, err := svc.List(ctx, event.Query{Brief: true})
	if err != nil {
		return may
	}
	for _, in := range snap.Instances {
		if clean(in.App) == in.App {
			may = append(may, in.App)
		}
	}
	return may
}

// Marks around what pm2 completion writes into the file of a shell.
const (
	pm2CompletionBegin = "###-begin-pm2-completion-###\n"
	pm2CompletionEnd   = "###-end-pm2-completion-###\n"
)

// pm2Completion is completion by the name of pm2: one script for bash and zsh.
func pm2Completion(ctx context.Context, c *command, o operands) error {
	if _, err := strconv.Atoi(c.env("COMP_CWORD")); err == nil && len(o.args) > 1 {
		return runCompletion(ctx, c, o)
	}
	script := pm2CompletionBegin + "if [ -n \"$ZSH_VERSION\" ]; then\n" + strings.ReplaceAll(completionScripts["zsh"], "NAME", pm2.Name) +
		"else\n" + strings.ReplaceAll(completionScripts["bash"], "NAME", pm2.Name) + "fi\n" + pm2CompletionEnd
	if len(o.args) == 0 {
		c.data("%s", script)
		return nil
	}
	path := filepath.Join(c.env("HOME"), ".bashrc")
	if strings.HasSuffix(c.env("SHELL"), "zsh") {
		path = filepath.Join(c.env("HOME"), ".zshrc")
	}
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	before, rest, there := strings.Cut(string(old), pm2CompletionBegin)
	_, after, whole := strings.Cut(rest, pm2CompletionEnd)
	switch {
	case o.args[0] == "install" && !there:
		before += script
	case o.args[0] == "uninstall" && there && whole:
		before += after
	case o.args[0] == "install" || o.args[0] == "uninstall":
		c.say("[PM2] completion: nothing to do in %s\n", path)
		return nil
	default:
		return &fault.Error{Code: fault.Invalid, Message: "completion does not know " + clean(o.args[0]), Remedy: "Usage: pm2 completion [install|uninstall]"}
	}
	if err := pm2.Replace(path, []byte(before)); err != nil {
		return err
	}
	c.done("completion: %s is changed; it counts for the next shell", path)
	return nil
}
