package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/tendproc/tend/child"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/pm2"
)

var pm2PublishVerbs = []verb{{
	use: "publish [FOLDER] --npm", aliases: []string{"module:publish"}, short: "publish a module: the next minor version, by npm and git", most: -1,
	topics: []topic{general}, run: pm2Publish,
}}

// pm2Publish raises the minor version of a module, after a question, and has npm publish
// it; where the folder is a checkout, the version is committed and pushed.
func pm2Publish(ctx context.Context, c *command, o operands) error {
	dir := c.Cwd
	if len(o.args) > 0 {
		dir = c.path(o.args[0])
	}
	if !c.values.on("npm") {
		return &fault.Error{
			Code: fault.Unsupported, Field: "--npm", Message: "without it a module goes to a registry of PM2's vendor; nothing was changed",
			Remedy: "pm2 publish --npm publishes it by npm, pm2 package makes a file of it.",
		}
	}
	path := filepath.Join(dir, "package.json")
	before, declared, err := readPackage(path)
	if err != nil {
		return err
	}
	name, _ := declared.Get("name").(string)
	version, err := nextMinor(fmt.Sprint(declared.Get("version")))
	if err != nil {
		return err
	}
	c.say("[PM2][Module] Incrementing module to: %s@%s\n", clean(name), version)
	if !c.agrees("Write & Publish?") {
		c.done("nothing was changed")
		return nil
	}
	declared.Set("version", version)
	plain, err := declared.MarshalJSON()
	if err != nil {
		return err
	}
	var after bytes.Buffer
	if err := json.Indent(&after, plain, "", "  "); err != nil {
		return err
	}
	after.WriteByte('\n')
	if err := pm2.Replace(path, after.Bytes()); err != nil {
		return writeFault(path, err)
	}
	if err := c.tool(ctx, dir, "npm", "publish"); err != nil {
		return &fault.Error{
			Code: fault.StartFailed, Message: "npm did not publish it; package.json is as it was", Err: errors.Join(err, pm2.Replace(path, before)),
			Remedy: "See what npm says of it. It has no terminal to ask in: npm login first.",
		}
	}
	c.done("%s@%s is published; to install it: pm2 install %s", clean(name), version, clean(name))
	for _, words := range [][]string{{"add", "."}, {"commit", "-m", version}, {"push", "origin", "HEAD"}} {
		if err := c.tool(ctx, dir, "git", words...); err != nil {
			c.warn("git %s did not go; commit and push the new version yourself", words[0])
			break
		}
	}
	return nil
}

// readPackage reads a package.json, whose keys keep their order.
func readPackage(path string) ([]byte, *pm2.Object, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, &fault.Error{Code: fault.NotFound, Message: "no package.json in " + filepath.Dir(path), Err: err, Remedy: "Name the folder of a package."}
	}
	o := &pm2.Object{}
	if err := json.Unmarshal(text, o); err != nil {
		return nil, nil, &fault.Error{Code: fault.Invalid, Field: "package.json", Message: "cannot be read", Err: err, Remedy: "It must be an object of JSON."}
	}
	return text, o, nil
}

var semver = regexp.MustCompile(`^(\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)

// nextMinor is the version that follows: of 1.2.3 it is 1.3.0, of 1.3.0-beta 1.3.0.
func nextMinor(version string) (string, error) {
	parts := semver.FindStringSubmatch(version)
	if parts == nil {
		return "", &fault.Error{Code: fault.Invalid, Field: "version", Message: clean(version) + " is not a version", Remedy: "Have package.json say one as 1.2.3; nothing was changed."}
	}
	minor, err := strconv.Atoi(parts[2])
	if err != nil {
		return "", err
	}
	if parts[4] == "" || parts[3] != "0" {
		minor++
	}
	return fmt.Sprintf("%s.%d.0", parts[1], minor), nil
}

// agrees asks a question. Without an answer it is no.
func (c *command) agrees(question string) bool {
	c.say("%s [Y/N] ", question)
	if c.In == nil {
		return false
	}
	answer, _ := bufio.NewReader(c.In).ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

// tool runs a program of the machine in dir, shows what it writes, and fails as it does.
func (c *command) tool(ctx context.Context, dir, program string, args ...string) error {
	err := c.watched(ctx, child.Command{Path: program, Args: args, Env: c.Env, Dir: dir}, c.progress())
	if _, ended := errors.AsType[*fault.Error](err); err == nil || ended {
		return err
	}
	return &fault.Error{Code: fault.NotFound, Message: program + " cannot be run", Err: err, Remedy: "Install it, or put it on $PATH."}
}
