package config

import (
	"slices"
	"strings"
	"testing"
)

func target(t *testing.T, text string) (Target, error) {
	t.Helper()
	tree, err := Decode(JSON, []byte(`{"apps": [], "deploy": {"live": `+text+`}}`))
	if err != nil {
		t.Fatal(err)
	}
	return ReadTarget(tree, "live")
}

const whole = `"host": "h", "ref": "origin/main", "repo": "git@x:y.git", "path": "/srv/app/"`

func TestTargetCallsSSH(t *testing.T) {
	for text, want := range map[string]string{
		`{` + whole + `}`: "h",
		`{` + whole + `, "user": "ann", "port": 22}`:                                                     "-p 22 ann@h",
		`{` + whole + `, "key": "~/.ssh/id"}`:                                                            "-i ~/.ssh/id h",
		`{` + whole + `, "ssh_options": "A=b"}`:                                                          "-o A=b h",
		`{` + whole + `, "ssh_options": ["A=b", "-o C=d"]}`:                                              "-o A=b -o C=d h",
		`{` + strings.Replace(whole, `"h"`, `[{"host": "1", "port": "9"}, "2"]`, 1) + `, "user": "ann"}`: "-p 9 ann@1; ann@2",
	} {
		target, err := target(t, text)
		var got []string
		for _, h := range target.Hosts {
			got = append(got, strings.Join(target.SSH(h), " "))
		}
		if line := strings.Join(got, "; "); err != nil || line != want {
			t.Errorf("%s: %q, %v, want %q", text, line, err, want)
		}
	}
}

func TestTargetThatIsWrongNamesTheKey(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                                     "deploy.live.ref: is missing",
		`{"ref": "a", "repo": "b", "path": "c"}`: "deploy.live.host: is missing",
		`{"ref": "a", "repo": "b", "path": "c", "host": []}`:   "deploy.live.host: is missing",
		`{"ref": "a", "repo": "b", "path": "c", "host": [{}]}`: "deploy.live.host: is missing",
		`{"ref": "a", "repo": "b", "host": "h"}`:               "deploy.live.path: is missing",
		`{"ref": "a", "path": "b", "host": "h"}`:               "deploy.live.repo: is missing",
		`{` + whole + `, "user": {}}`:                          "deploy.live.user: is not a text",
		`{` + whole + `, "post-deploy": ["a"]}`:                "deploy.live.post-deploy: is not a text",
		`{` + whole + `, "ssh_options": [{}]}`:                 "deploy.live.ssh_options: holds",
		`{` + whole + `, "env": "A=1"}`:                        "deploy.live.env: ",
		`{` + whole + `, "user": "-l"}`:                        "deploy.live.host: is no name of a host",
		`{` + whole + `, "key": "-x"}`:                         "deploy.live.key: begins with -",
		`5`:                                                    "deploy: the environment live is not in the file",
	} {
		if _, err := target(t, text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// What a host's shell gets is quoted, a ~ and what the hooks say apart.
func TestTargetSteps(t *testing.T) {
	target, err := target(t, `{`+whole+`, "post-deploy": "echo $A", "env": {"B": "it's", "A": 1}}`)
	if err != nil {
		t.Fatal(err)
	}
	lines := func(steps []Step) (list []string) {
		for _, s := range steps {
			if s.Command != "" {
				list = append(list, s.Command)
			}
		}
		return list
	}
	want := []string{
		"mkdir -p /srv/app/shared/logs /srv/app/shared/pids /srv/app/source",
		"git clone --branch main git@x:y.git /srv/app/source",
		"ln -sfn /srv/app/source /srv/app/current",
	}
	if got := lines(target.Setup()); !slices.Equal(got, want) {
		t.Errorf("setup: %q", got)
	}
	target.Path = "~/my app"
	want = []string{
		"cd ~/'my app/source' && git fetch --all --tags",
		`cd ~/'my app/source' && git reset --hard "$(git rev-parse -q --verify refs/remotes/origin/v1 || echo v1)"`,
		"ln -sfn ~/'my app/source' ~/'my app/current'",
		"cd ~/'my app/source' && git rev-parse HEAD >> ~/'my app/.deploys'",
		`cd ~/'my app/current' && export SHARED=~/'my app/shared' && export A=1 B='it'\''s' && echo $A`,
	}
	if got := lines(target.Deploy("v1")); !slices.Equal(got, want) {
		t.Errorf("deploy: %q", got)
	}
}

func TestPostUpdateOfAnApp(t *testing.T) {
	for text, want := range map[string][]string{
		`{"apps": [{"name": "other"}, {"name": "web", "post_update": ["a", "b"]}]}`: {"a", "b"},
		`{"apps": {"name": "web", "post_update": "a"}}`:                             {"a"},
		`[{"name": "web", "post_update": "a"}]`:                                     {"a"},
		`{"name": "web", "post_update": "a"}`:                                       {"a"},
		`{"apps": [{"name": "other", "post_update": "a"}]}`:                         nil,
		`5`: nil,
	} {
		tree, err := Decode(JSON, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := PostUpdate(tree, "web"); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	tree, _ := Decode(JSON, []byte(`{"name": "web", "post_update": {}}`))
	if got, err := PostUpdate(tree, "web"); err == nil {
		t.Errorf("%q", got)
	}
}
