package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// told is a file in a few lines: its apps with their variables, its problems.
func told(f File) string {
	var b strings.Builder
	for _, d := range f.Apps {
		fmt.Fprintf(&b, "%s runs %s", *d.Options.Name, d.Word)
		if d.Options.Env != nil {
			fmt.Fprintf(&b, " %v", d.Options.Env)
		}
		if d.Origin != "" {
			fmt.Fprintf(&b, " from %s", d.Origin)
		}
		b.WriteString("\n")
	}
	for _, p := range f.Problems {
		sign := "!"
		if p.Fatal {
			sign = "x"
		}
		fmt.Fprintf(&b, "%s %s. %s\n", sign, p, p.Remedy)
	}
	return b.String()
}

func TestRead(t *testing.T) {
	files := map[string]string{"/srv/.env": "A=file\nF=file", "/srv/app/.env": "A=inner", "/bad": "a b c='"}
	for _, tc := range []struct {
		name, text string
		q          Query
		want       string
	}{
		{"an app by itself", `{script: 'app.js'}`, Query{}, "app runs app.js\n"},
		{"a list", `[{script: 'a.js'}, {cmd: 'npm run dev'}]`, Query{}, "a runs a.js\nnpm run dev runs npm run dev\n"},
		{"one app in apps", `{apps: {script: 'a.js'}}`, Query{}, "a runs a.js\n"},
		{"the word pm2", `{pm2: [{script: 'a.js'}]}`, Query{}, "a runs a.js\n"},
		{"the same script twice", `[{script: 'a.js', args: 'x'}, {script: 'a.js', args: 'y'}]`, Query{}, "a runs a.js\na runs a.js\n"},
		{"names by the rules of start", `[{script: './x/001-test.min.js'}, {script: ' node x.js '}, {script: 'all'}]`, Query{}, "001-test.min runs ./x/001-test.min.js\nnode x runs  node x.js \napp runs all\n"},

		{"env alone", `{script: 'a.js', env: {A: 1}, env_dev: {A: 2}}`, Query{}, "a runs a.js map[A:1]\n"},
		{"a section over env", `{script: 'a.js', env: {A: 1, B: 1}, env_dev: {A: 2}}`, Query{Section: "dev"}, "a runs a.js map[A:2 B:1]\n"},
		{"deploy below env", `{apps: [{script: 'a.js', env: {A: 1}, env_dev: {}}], deploy: {dev: {env: {A: 0, C: 0}}}}`, Query{Section: "dev"}, "a runs a.js map[A:1 C:0]\n"},
		{"port over env, below the section", `[{script: 'a.js', port: 1, env: {PORT: 2}}, {script: 'b.js', port: 1, env_dev: {PORT: 3}}]`, Query{Section: "dev"}, "a runs a.js map[PORT:1]\nb runs b.js map[PORT:3]\n"},
		{"the command line over all", `{script: 'a.js', env: {A: 1}, env_dev: {A: 2}}`, Query{Section: "dev", Env: map[string]string{"A": "3"}}, "a runs a.js map[A:3]\n"},
		{"files below all", `{script: 'a.js', env_file: '.env', env: {A: 1}}`, Query{}, "a runs a.js map[A:1 F:file]\n"},
		{"files from the app's folder", `{script: 'a.js', cwd: 'app', env_file: ['.env']}`, Query{EnvFiles: []string{"/srv/.env"}}, "a runs a.js map[A:inner F:file]\n"},
		{"a section called file", `{script: 'a.js', env_file: {A: 1}}`, Query{Section: "file"}, "a runs a.js map[A:1]\n"},
		{"no such section", `{script: 'a.js', env: {A: 1}}`, Query{Section: "dev"}, "a runs a.js map[A:1]\n! --env: no app has env_dev. Without it env alone counts.\n"},
		{"a name with its section", `{script: 'a.js', append_env_to_name: true, env_dev: {}}`, Query{Section: "dev", Origin: "/srv/x.js"}, "a-dev runs a.js from /srv/x.js#dev\n"},
		{"the same without one", `{script: 'a.js', append_env_to_name: true}`, Query{Origin: "/srv/x.js"}, "a runs a.js from /srv/x.js#\n"},

		{"only", `[{script: 'a.js'}, {script: 'b.js'}, {script: 'c.js'}]`, Query{Only: []string{"c", "a"}}, "a runs a.js\nc runs c.js\n"},
		{"only, before and after the section", `[{script: 'a.js', append_env_to_name: true, env_dev: {}}]`, Query{Only: []string{"a"}, Section: "dev"}, "a-dev runs a.js\n"},
		{"only what is not there", `[{script: 'api.js'}, {script: 'b.js'}]`, Query{Only: []string{"apj"}}, "x --only: no app is called \"apj\". Did you mean api?\n"},

		{"the same, where that is no error", `{script: 'api.js'}`, Query{Only: []string{"apj"}, Lenient: true}, "! --only: no app is called \"apj\". Did you mean api?\n"},
		{"no apps, where that is no error", `{apps: []}`, Query{Lenient: true}, "! declares no app. Write { \"apps\": [ { \"script\": \"app.js\" } ] }.\n"},

		{"an unknown key", `{script: 'a.js', max_restart: 3}`, Query{}, "a runs a.js\n! a: max_restart: unknown key. Did you mean max_restarts?\n"},
		{"a key nobody knows", `{script: 'a.js', zzzzzz: 3}`, Query{}, "a runs a.js\n! a: zzzzzz: unknown key. It is ignored; docs/configuration.md lists the keys.\n"},
		{"an unknown key beside apps", `{apps: [{script: 'a.js'}], aps: []}`, Query{}, "a runs a.js\n! aps: unknown beside apps. Did you mean apps?\n"},
		{"static servers", `{apps: [{script: 'a.js'}], static: [{path: '.', port: 80, spa: true, ftp: false, basic_auth: {username: 'u', password: 'p'}}, {name: 'docs', path: 'd'}]}`, Query{Server: []string{"/tend", "x"}}, "a runs a.js\nstatic-page-server-80 runs /tend map[PM2_SERVE_BASIC_AUTH:true PM2_SERVE_BASIC_AUTH_PASSWORD:p PM2_SERVE_BASIC_AUTH_USERNAME:u PM2_SERVE_PATH:. PM2_SERVE_PORT:80 PM2_SERVE_SPA:true]\ndocs runs /tend map[PM2_SERVE_PATH:d]\n"},
		{"static servers alone", `{static: {path: '.', host: '::1', homepage: '/h.html'}}`, Query{Server: []string{"/tend", "x"}}, "static-page-server-8080 runs /tend map[PM2_SERVE_HOMEPAGE:/h.html PM2_SERVE_HOST:::1 PM2_SERVE_PATH:.]\n"},
		{"the script serve", `[{script: 'serve', env: {PM2_SERVE_PORT: 81}}, {script: 'serve', name: 's'}]`, Query{Server: []string{"/tend", "x"}}, "static-page-server-81 runs /tend map[PM2_SERVE_PORT:81]\ns runs /tend\n"},
		{"a bad static server", `{static: ['x', {path: {}, basic_auth: {username: 'u'}}]}`, Query{Server: []string{"/tend", "x"}}, "static-page-server-8080 runs /tend map[PM2_SERVE_PATH:{}]\nx static 1: cannot be the text \"x\". Write static: [ { path: \"./public\", port: 8080 } ].\nx static 2.basic_auth: has not both a username and a password. Write basic_auth: { username: \"ann\", password: \"secret\" }.\n"},
		{"one thing twice", `{script: 'a.js', error: 'a', error_file: 'b'}`, Query{}, "a runs a.js\n! a: error: means the same as error_file, which counts. Leave one of them out.\n"},
		{"no script", `[{name: 'x'}]`, Query{}, "x x: script: is missing. Say what to run: script: \"app.js\".\n"},
		{"a script of the wrong kind", `[{script: {}}]`, Query{}, "x app 1: script: cannot be an object. Write a text: script: \"…\".\n"},
		{"an app of the wrong kind", `[{script: 'a.js'}, 'b.js']`, Query{}, "a runs a.js\nx app 2: cannot be the text \"b.js\". Write an object: { \"script\": \"app.js\" }.\n"},
		{"a section of the wrong kind", `{script: 'a.js', env_dev: 'x'}`, Query{}, "a runs a.js\nx a: env_dev: cannot be the text \"x\". Write an object: env_dev: { \"PORT\": 3000 }.\n"},
		{"no apps", `{apps: []}`, Query{}, "x declares no app. Write { \"apps\": [ { \"script\": \"app.js\" } ] }.\n"},
		{"nothing", `{}`, Query{}, "x declares no app. Write { \"apps\": [ { \"script\": \"app.js\" } ] }.\n"},
		{"no object at all", `7`, Query{}, "x apps: cannot be the number 7. Write { \"apps\": [ { \"script\": \"app.js\" } ] }.\n"},
		{"a file that is not there", `{script: 'a.js', env_file: 'no'}`, Query{}, "a runs a.js\nx a: env_file: /srv/no: gone. Write KEY=value lines; the path is taken from cwd.\n"},
		{"a file that is none", `{script: 'a.js', env_file: '/bad'}`, Query{}, "a runs a.js\nx a: env_file: /bad: unterminated quoted value '. Write KEY=value lines; the path is taken from cwd.\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tree, err := Decode(JSON, []byte(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			tc.q.Cwd = "/srv"
			tc.q.ReadFile = func(path string) ([]byte, error) {
				if text, ok := files[path]; ok {
					return []byte(text), nil
				}
				return nil, errors.New("gone")
			}
			if diff := cmp.Diff(tc.want, told(Read(tree, tc.q))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestErrCountsTheRest(t *testing.T) {
	f := read(t, `[{"script": "a.js", "time": 1, "args": 2, "zzz": 3, "env_dev": {}}]`)
	for strict, want := range map[bool]string{false: "There is one more problem", true: "There are 2 more problems"} {
		if err := f.Err(strict); err == nil || !strings.Contains(fmt.Sprintf("%+v", err), "a: ") {
			t.Errorf("error %v", err)
		} else if e := fmt.Sprint(remedyOf(err)); !strings.Contains(e, want) {
			t.Errorf("strict %v: remedy %q", strict, e)
		}
	}
	if err := (File{Problems: []Problem{{Message: "m"}}}).Err(false); err != nil {
		t.Errorf("a warning is an error: %v", err)
	}
}
