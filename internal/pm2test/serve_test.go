package pm2test

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// telling are the headers that clients go by.
var telling = []string{"Content-Type", "Location", "Www-Authenticate", "Access-Control-Allow-Origin", "Cache-Control", "Allow", "Content-Range"}

var link = regexp.MustCompile(`href="([^"]*)"`)

// ask sends a request as it is written and tells what matters of the answer. Who
// has not begun to listen is waited for; "closed" is the method that expects nobody.
func (s *side) ask(method, path string, headers []string) (facts []string) {
	dial := func() (net.Conn, error) { return net.Dial("tcp", "127.0.0.1:"+s.port) }
	if method == "closed" {
		c, err := dial()
		if err == nil {
			c.Close()
			return []string{"somebody listens"}
		}
		return []string{"nobody listens"}
	}
	var c net.Conn
	s.eventually("an answer on the port", func() (ok bool) {
		var err error
		c, err = dial()
		return err == nil
	})
	if c == nil {
		return []string{"nobody listens"}
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	request := method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
	for _, h := range headers {
		request += h + "\r\n"
	}
	if _, err := io.WriteString(c, request+"\r\n"); err != nil {
		return []string{"no answer"}
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		return []string{"no answer"}
	}
	defer answer.Body.Close()
	facts = append(facts, fmt.Sprint("status ", answer.StatusCode))
	for _, key := range telling {
		if v := answer.Header.Get(key); v != "" {
			facts = append(facts, "header "+key+": "+s.plain(v))
		}
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return append(facts, "the body ends early")
	}
	if links := link.FindAllStringSubmatch(string(body), -1); links != nil { // a list of a folder
		for _, l := range links {
			to, err := url.PathUnescape(html.UnescapeString(l[1]))
			if err != nil {
				to = err.Error()
			}
			facts = append(facts, "links to "+strings.TrimPrefix(to, "./"))
		}
		body = nil
	}
	for line := range strings.Lines(string(body)) {
		if line = strings.TrimSpace(line); line != "" {
			facts = append(facts, "body "+s.plain(line))
		}
	}
	slices.Sort(facts)
	return facts
}
