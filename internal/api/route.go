package api

import (
	"encoding/json"
	"net/http"

	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/spec"
)

// The wire form, in one place for server, client and docs/api.md:
//
//	client ──► METHOD /v1/path, JSON body or query ──► server
//	client ◄── 200, Tend-Api: 1, JSON             ◄── server   a command or a question
//	client ◄── 200, one JSON value a line         ◄── server   a stream (watch, logs)
//	client ◄── 4xx/5xx {"error":{"code":…}}       ◄── server   the status follows from the code
//
// A stream that breaks off ends with a line {"error":{…}}; one that ends
// without is complete.

const (
	// MaxBody is the largest request body a server takes.
	MaxBody = 1 << 20
	// versionHeader names the server's API version in every response.
	versionHeader = "Tend-Api"
	// againHeader, with an error, says that the same request can be sent again: it
	// came at a bad moment, and nothing was done.
	againHeader = "Retry-After"
	prefix      = "/v1/"
)

// route is one path of the API.
type route struct {
	method string
	path   string // below prefix
	stream bool   // the response is one JSON value a line
}

// routes lists the paths. handlers gives the code for each.
var routes = [...]route{
	{http.MethodGet, "ping", false},
	{http.MethodGet, "list", false},
	{http.MethodGet, "jlist", false},
	{http.MethodPost, "start", false},
	{http.MethodPost, "restart", false},
	{http.MethodPost, "reload", false},
	{http.MethodPost, "rollback", false},
	{http.MethodPost, "stop", false},
	{http.MethodPost, "delete", false},
	{http.MethodPost, "reset", false},
	{http.MethodPost, "apply", false},
	{http.MethodPost, "annotate", false},
	{http.MethodPost, "scale", false},
	{http.MethodPost, "signal", false},
	{http.MethodPost, "write", false},
	{http.MethodPost, "message", false},
	{http.MethodGet, "watch", true},
	{http.MethodGet, "logs", true},
	{http.MethodPost, "flush", false},
	{http.MethodPost, "reopen", false},
	{http.MethodPost, "profile", false},
	{http.MethodPost, "upgrade", false},
	{http.MethodPost, "kill", false},
}

// Request bodies that are no type of the Service.
type (
	scaleRequest struct {
		App    string `json:"app"`
		Number string `json:"number"` // "4", "+2", "-1"
	}
	signalRequest struct {
		Target string `json:"target"`
		Signal string `json:"signal"` // "SIGUSR2", "usr2" or "12"
	}
	writeRequest struct {
		ID   int    `json:"id"`
		Line string `json:"line"`
	}
	messageRequest struct {
		ID      int             `json:"id"`
		Message json.RawMessage `json:"message"`
	}
	flushRequest struct {
		Target string `json:"target"` // "" or "all" for everything
	}
	upgradeRequest struct {
		Program string `json:"program"` // absolute path
	}
	// nothing is the body where there is nothing to say.
	nothing struct{}
)

// bodies gives a fresh request body for each path that takes one.
var bodies = map[string]func() any{
	"start":    func() any { return new(spec.Start) },
	"restart":  func() any { return new(spec.Act) },
	"reload":   func() any { return new(spec.Act) },
	"rollback": func() any { return new(spec.Act) },
	"stop":     func() any { return new(spec.Act) },
	"delete":   func() any { return new(spec.Act) },
	"reset":    func() any { return new(spec.Act) },
	"apply":    func() any { return new(spec.Apply) },
	"annotate": func() any { return new(spec.Act) },
	"scale":    func() any { return new(scaleRequest) },
	"signal":   func() any { return new(signalRequest) },
	"write":    func() any { return new(writeRequest) },
	"message":  func() any { return new(messageRequest) },
	"flush":    func() any { return new(flushRequest) },
	"reopen":   func() any { return new(nothing) },
	"profile":  func() any { return new(ProfileRequest) },
	"upgrade":  func() any { return new(upgradeRequest) },
	"kill":     func() any { return new(nothing) },
}

// errorBody is the one shape of every error.
type errorBody struct {
	Error *fault.Error `json:"error"`
}

// statuses gives the HTTP status of each code.
var statuses = map[fault.Code]int{
	fault.Invalid:     http.StatusBadRequest,
	fault.NotFound:    http.StatusNotFound,
	fault.Conflict:    http.StatusConflict,
	fault.NotRunning:  http.StatusConflict,
	fault.StartFailed: http.StatusUnprocessableEntity,
	fault.Timeout:     http.StatusGatewayTimeout,
	fault.Denied:      http.StatusForbidden,
	fault.TooLarge:    http.StatusRequestEntityTooLarge,
	fault.Unavailable: http.StatusServiceUnavailable,
	fault.Unsupported: http.StatusNotImplemented,
	fault.Internal:    http.StatusInternalServerError,
}
