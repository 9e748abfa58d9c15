package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ask sends requests, each on a connection of its own, until as many processes
// have answered, and prints the first answer of each.
func ask(ctx context.Context, port, processes int) (answers map[int]int, err error) {
	url := "http://127.0.0.1:" + strconv.Itoa(port) + "/"
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answers = map[int]int{}
	sent := 0
	for deadline := time.Now().Add(10 * time.Second); len(answers) < processes || sent < 10; {
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("only %d of %d processes answered on %s", len(answers), processes, url)
		}
		text, err := get(ctx, client, url)
		if err != nil {
			return nil, err
		}
		sent++
		pid := pidIn(text)
		if answers[pid]++; answers[pid] == 1 {
			fmt.Printf("%s curl %s\n%s\n", dim("$"), url, text)
		}
	}
	var shares []string
	for _, pid := range slices.Sorted(maps.Keys(answers)) {
		shares = append(shares, fmt.Sprintf("%d by pid %d", answers[pid], pid))
	}
	note("%d requests, no failure: %s", sent, strings.Join(shares, ", "))
	return answers, nil
}

func get(ctx context.Context, client *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return strings.TrimSpace(string(body)), err
}

func pidIn(text string) int {
	_, number, _ := strings.Cut(text, "pid ")
	pid, err := strconv.Atoi(number)
	if err != nil {
		return 0
	}
	return pid
}

// freePort asks the system for a port that nobody uses now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func listens(port int) bool {
	c, err := net.DialTimeout("tcp", "127.0.0.1:"+strconv.Itoa(port), time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// plain is true when nobody looks, or colours are not wanted.
var plain = func() bool {
	info, err := os.Stdout.Stat()
	return err != nil || info.Mode()&os.ModeCharDevice == 0 || os.Getenv("NO_COLOR") != ""
}()

func title(text string) {
	if plain {
		fmt.Printf("\n== %s\n", text)
		return
	}
	fmt.Printf("\n\x1b[1;36m%s\x1b[0m\n", text)
}

func note(format string, args ...any) { fmt.Println(dim("  " + fmt.Sprintf(format, args...))) }

func dim(text string) string {
	if plain {
		return text
	}
	return "\x1b[2m" + text + "\x1b[0m"
}

func relative(path string) string {
	dir, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(dir, path); err == nil && !strings.HasPrefix(rel, "..") {
		return rel
	}
	return path
}
