package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/event"
	"github.com/tendproc/tend/internal/fault"
	"github.com/tendproc/tend/internal/spec"
)

// answer carries out one request and returns the response body.
type answer func(s *Server, r *http.Request, body any) (any, error)

// answers holds the code of each route that is no stream.
var answers = map[string]answer{
	"ping": func(s *Server, r *http.Request, _ any) (any, error) {
		if err := onlyQuery(r.URL.Query()); err != nil {
			return nil, err
		}
		return s.svc.Ping(r.Context())
	},
	"list": func(s *Server, r *http.Request, _ any) (any, error) {
		q, err := listQuery(r.URL.Query())
		if err != nil {
			return nil, err
		}
		snap, err := s.svc.List(r.Context(), q)
		if q.Table && err == nil {
			return json.RawMessage(event.AppendTable(nil, &snap)), nil
		}
		return snap, err
	},
	"jlist": func(s *Server, r *http.Request, _ any) (any, error) {
		if err := onlyQuery(r.URL.Query(), "form"); err != nil {
			return nil, err
		}
		form := cmp.Or(Form(r.URL.Query().Get("form")), OwnForm)
		if form != OwnForm && form != PM2Form {
			return nil, queryFault("form", `want "tend" or "pm2"`)
		}
		return s.svc.Jlist(r.Context(), form)
	},
	"start": func(s *Server, r *http.Request, body any) (any, error) {
		return s.svc.Start(r.Context(), *body.(*spec.Start))
	},
	"restart":  act(Service.Restart),
	"reload":   act(Service.Reload),
	"rollback": act(Service.Rollback),
	"stop":     act(Service.Stop),
	"delete":   act(Service.Delete),
	"reset":    act(Service.Reset),
	"apply": func(s *Server, r *http.Request, body any) (any, error) {
		return s.svc.Apply(r.Context(), *body.(*spec.Apply))
	},
	"annotate": act(Service.Annotate),
	"scale": func(s *Server, r *http.Request, body any) (any, error) {
		b := body.(*scaleRequest)
		return s.svc.Scale(r.Context(), b.App, b.Number)
	},
	"signal": func(s *Server, r *http.Request, body any) (any, error) {
		b := body.(*signalRequest)
		return s.svc.Signal(r.Context(), b.Target, b.Signal)
	},
	"message": func(s *Server, r *http.Request, body any) (any, error) {
		b := body.(*messageRequest)
		return nothing{}, s.svc.Message(r.Context(), b.ID, b.Message)
	},
	"write": func(s *Server, r *http.Request, body any) (any, error) {
		b := body.(*writeRequest)
		return nothing{}, s.svc.WriteLine(r.Context(), b.ID, b.Line)
	},
	"flush": func(s *Server, r *http.Request, body any) (any, error) {
		return nothing{}, s.svc.Flush(r.Context(), body.(*flushRequest).Target)
	},
	"reopen": func(s *Server, r *http.Request, _ any) (any, error) {
		return nothing{}, s.svc.ReopenLogs(r.Context())
	},
	"profile": func(s *Server, r *http.Request, body any) (any, error) {
		return s.svc.Profile(r.Context(), *body.(*ProfileRequest))
	},
	"upgrade": func(s *Server, r *http.Request, body any) (any, error) {
		return nothing{}, s.upgrade(r.Context(), body.(*upgradeRequest).Program)
	},
	"kill": func(s *Server, r *http.Request, _ any) (any, error) {
		return nothing{}, s.svc.Kill(r.Context())
	},
}

func act(do func(Service, context.Context, spec.Act) (event.Outcome, error)) answer {
	return func(s *Server, r *http.Request, body any) (any, error) {
		return do(s.svc, r.Context(), *body.(*spec.Act))
	}
}

// handler serves the routes; streams break off when ending ends.
func (s *Server) handler(ending context.Context) http.Handler {
	mux := http.NewServeMux()
	for _, rt := range routes {
		mux.HandleFunc(rt.method+" "+prefix+rt.path, func(w http.ResponseWriter, r *http.Request) {
			if rt.stream {
				s.stream(ending, w, r, rt)
				return
			}
			s.command(w, r, rt)
		})
	}
	mux.HandleFunc("/", s.unknown)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.opts.Used()
		defer s.opts.Used()
		w.Header().Set(versionHeader, strconv.Itoa(Version))
		if stranger, ok := r.Context().Value(strangerKey{}).(*fault.Error); ok {
			s.fail(w, stranger)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (s *Server) command(w http.ResponseWriter, r *http.Request, rt route) {
	var body any
	if fresh, ok := bodies[rt.path]; ok {
		body = fresh()
		if err := s.readBody(w, r, body); err != nil {
			s.fail(w, err)
			return
		}
	}
	if rt.method == http.MethodPost && rt.path != "upgrade" {
		if !s.gate.TryRLock() {
			w.Header().Set(againHeader, "1")
			s.fail(w, &fault.Error{
				Code: fault.Unavailable, Message: "the daemon is being upgraded", Remedy: "Nothing was changed; try again.",
			})
			return
		}
		defer s.gate.RUnlock()
	}
	out, err := answers[rt.path](s, r, body)
	if err != nil {
		s.fail(w, err)
		return
	}
	s.reply(w, http.StatusOK, out)
}

// readBody reads the request's JSON into body, within limits of size and time.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request, body any) error {
	if err := onlyQuery(r.URL.Query()); err != nil {
		return err
	}
	if r.ContentLength > MaxBody {
		return bodyTooLarge()
	}
	c := http.NewResponseController(w)
	if err := c.SetReadDeadline(time.Now().Add(s.opts.BodyTimeout)); err != nil {
		return err
	}
	if err := decodeStrict(http.MaxBytesReader(w, r.Body, MaxBody), body); err != nil {
		return err
	}
	// From here the client only waits, as long as the command takes.
	return c.SetReadDeadline(time.Time{})
}

// unknown answers paths and methods that are not in routes.
func (s *Server) unknown(w http.ResponseWriter, r *http.Request) {
	path, ours := strings.CutPrefix(r.URL.Path, prefix)
	if !ours {
		s.fail(w, &fault.Error{
			Code: fault.Unsupported, Message: "no API version here answers " + r.URL.Path,
			Remedy: "This daemon speaks version " + strconv.Itoa(Version) + ": paths begin with " + prefix + ".",
		})
		return
	}
	for _, rt := range routes {
		if rt.path == path {
			w.Header().Set("Allow", rt.method)
			s.fail(w, &fault.Error{
				Code: fault.Unsupported, Message: r.Method + " is not a method of " + r.URL.Path,
				Remedy: "Use " + rt.method + ".",
			})
			return
		}
	}
	s.fail(w, &fault.Error{
		Code: fault.Unsupported, Message: "no such path: " + r.URL.Path,
		Remedy: "docs/api.md lists the paths. " + older,
	})
}

func (s *Server) fail(w http.ResponseWriter, err error) {
	e := wireError(err)
	status := statuses[e.Code]
	if e.Code == fault.TooLarge || e.Code == fault.Denied || status == http.StatusBadRequest {
		w.Header().Set("Connection", "close") // the rest of the body is not read
	}
	s.reply(w, status, errorBody{e})
}

func (s *Server) reply(w http.ResponseWriter, status int, v any) {
	data, err := encode(v)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"error":{"code":"internal","message":"cannot encode the answer"}}`)
	}
	if http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.opts.WriteTimeout)) != nil {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	// A client that is gone loses only its answer.
	_, _ = w.Write(data)
}

// stream answers watch and logs: one JSON value a line.
func (s *Server) stream(ending context.Context, w http.ResponseWriter, r *http.Request, rt route) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(ending, cancel)()
	lines := &lineWriter{w: w, c: http.NewResponseController(w), timeout: s.opts.WriteTimeout}
	err := s.streamTo(ctx, lines, r, rt)
	if ending.Err() != nil {
		err = &fault.Error{Code: fault.Unavailable, Message: "the daemon is ending"}
	}
	switch {
	case lines.gone || r.Context().Err() != nil: // nobody reads on
	case err == nil:
		_ = lines.begin()
	case lines.begun:
		_ = lines.write(errorBody{wireError(err)})
	default:
		s.fail(w, err)
	}
}

func (s *Server) streamTo(ctx context.Context, lines *lineWriter, r *http.Request, rt route) error {
	if rt.path == "watch" {
		if err := onlyQuery(r.URL.Query(), "after"); err != nil {
			return err
		}
		return s.svc.Watch(ctx, r.URL.Query().Get("after"), func(e event.Event) error { return lines.write(e) })
	}
	req, err := logsQuery(r.URL.Query())
	if err != nil {
		return err
	}
	if req.Follow {
		if err := lines.begin(); err != nil {
			return err
		}
	}
	return s.svc.Logs(ctx, req, func(l event.LogLine) error { return lines.write(l) })
}

// lineWriter writes JSON lines, each within the time allowed, so that a client
// that stops reading ends its stream and holds nothing.
type lineWriter struct {
	w       http.ResponseWriter
	c       *http.ResponseController
	timeout time.Duration
	begun   bool // the header is out
	gone    bool // the client is
}

func (l *lineWriter) begin() error {
	if l.begun {
		return nil
	}
	l.begun = true
	l.w.Header().Set("Content-Type", "application/x-ndjson")
	l.w.WriteHeader(http.StatusOK)
	return l.flush()
}

func (l *lineWriter) write(v any) error {
	if err := l.begin(); err != nil {
		return err
	}
	line, err := encode(v)
	if err != nil {
		return err
	}
	if err := l.c.SetWriteDeadline(time.Now().Add(l.timeout)); err != nil {
		return err
	}
	if _, err := l.w.Write(line); err != nil {
		l.gone = true
		return err
	}
	return l.flush()
}

func (l *lineWriter) flush() error {
	err := l.c.SetWriteDeadline(time.Now().Add(l.timeout))
	if err == nil {
		err = l.c.Flush()
	}
	l.gone = l.gone || err != nil
	return err
}

// onlyQuery refuses query parameters other than known.
func onlyQuery(q url.Values, known ...string) error {
next:
	for name, values := range q {
		for _, k := range known {
			if name != k {
				continue
			}
			if len(values) > 1 {
				return queryFault(name, "given more than once")
			}
			continue next
		}
		return &fault.Error{
			Code: fault.Invalid, Op: "read request", Field: name, Message: "unknown query parameter",
			Remedy: "Leave it out. " + older,
		}
	}
	return nil
}

// older is for who asks by a newer tend than this one.
const older = "Where the command knows it, the daemon is of an older tend: tend upgrade"

func queryFault(name, message string) error {
	return &fault.Error{Code: fault.Invalid, Op: "read request", Field: name, Message: message}
}

func listQuery(q url.Values) (out event.Query, err error) {
	known := map[string]*bool{"usage": &out.Usage, "brief": &out.Brief, "specs": &out.Specs, "table": &out.Table}
	if err := onlyQuery(q, slices.Collect(maps.Keys(known))...); err != nil {
		return out, err
	}
	for name, to := range known {
		if *to, err = boolQuery(q, name); err != nil {
			return out, err
		}
	}
	return out, nil
}

func logsQuery(q url.Values) (req LogsRequest, err error) {
	if err := onlyQuery(q, "target", "lines", "stream", "follow"); err != nil {
		return req, err
	}
	req.Target, req.Stream = q.Get("target"), q.Get("stream")
	if req.Stream != "" && req.Stream != "out" && req.Stream != "err" {
		return req, queryFault("stream", `want "out", "err" or nothing`)
	}
	if n := q.Get("lines"); n != "" {
		if req.Lines, err = strconv.Atoi(n); err != nil || req.Lines < 0 {
			return req, queryFault("lines", "want a number from 0")
		}
	}
	req.Follow, err = boolQuery(q, "follow")
	return req, err
}

func boolQuery(q url.Values, name string) (bool, error) {
	text := q.Get(name)
	if text == "" {
		return false, nil
	}
	v, err := strconv.ParseBool(text)
	if err != nil {
		return false, queryFault(name, "want true or false")
	}
	return v, nil
}

func tooLarge(err error) bool {
	_, ok := errors.AsType[*http.MaxBytesError](err)
	return ok
}
