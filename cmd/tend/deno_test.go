package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tendproc/tend/internal/proctest"
)

const denoApp = `import process from "node:process";
const port: number = Number(Deno.env.get("PORT"));
const server = Deno.serve({ port, hostname: "127.0.0.1", onListen: () => process.send!("ready") }, () => new Response(String(Deno.pid)));
Deno.addSignalListener("SIGTERM", async () => {
  console.log("goes");
  await server.shutdown();
  console.log("went");
  Deno.exit(0);
});
`

// A program in TypeScript, run by Deno: it says over Node's channel that it is
// ready, is replaced when it dies, and ends by itself when it is asked to.
func TestDeno(t *testing.T) {
	deno := proctest.Deno(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "app.ts"), denoApp)
	p := &program{argv: []string{filepath.Join(build(t), "tend")}, home: filepath.Join(dir, "home"), dir: dir}
	p.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "DENO_DIR=" + filepath.Join(dir, "deno"), "TEND_HOME=" + p.home, "PORT=" + port}
	t.Cleanup(func() { p.run(t, "kill") })
	p.run(t, "start", "app.ts", "--interpreter", deno, "--interpreter-args", "run -A --quiet", "--wait-ready")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	served := func() (pid string) {
		answer, err := client.Get("http://127.0.0.1:" + port)
		if err != nil {
			return ""
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		return string(body)
	}
	first := served()
	if got := strings.TrimSpace(string(p.run(t, "pid", "app"))); first == "" || first != got {
		t.Fatalf("%q answers, and the pid is %q", first, got)
	}
	n, _ := strconv.Atoi(first)
	dead, err := os.FindProcess(n)
	if err == nil {
		err = dead.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
	if !eventually(func() bool { pid := served(); return pid != "" && pid != first }) {
		t.Error("no other process serves")
	}
	p.run(t, "stop", "app")
	if got := string(p.run(t, "logs", "app", "--nostream", "--raw")); got != "goes\nwent\n" {
		t.Errorf("it wrote %q", got)
	}
}
