package pool

import (
	"encoding/json"
	"errors"
	"testing"
	"time"
)

// What is read without parsing is what parsing gives.
func FuzzAnswer(f *testing.F) {
	for _, text := range []string{
		`{"id":7,"out":45}`, `{"id":7,"out":"}"}`, `{"id":7,"out":1,"ms":3}`, `{"id":7}`, `{"id":7,"out":null}`,
		`{"id":7,"out":}`, `{"id":7,"out":1}}`, `{"id":7,"out":1,"error":"no"}`, `{"id":8,"out":1}`, `{"out":1,"id":7}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		out, ok := quickOutput(text, 7)
		if !ok {
			return
		}
		quick, whole := &call[int, any]{task: &Task[int, any]{}}, &call[int, any]{task: &Task[int, any]{}}
		qerr := (&answer{Out: out, whole: text}).settle(quick)
		var a answer
		werr := json.Unmarshal(text, &a)
		if werr == nil {
			werr = a.settle(whole)
		}
		q, _ := json.Marshal(quick.out)
		w, _ := json.Marshal(whole.out)
		if (qerr == nil) != (werr == nil) || qerr == nil && string(q) != string(w) {
			t.Errorf("%q: %s, %v; parsed: %s, %v", text, q, qerr, w, werr)
		}
	})
}

// And so is the input of a request.
func FuzzRequest(f *testing.F) {
	for _, text := range []string{
		`{"id":7,"task":"sum","in":45}`, `{"id":7,"task":"a \"task\"","in":"}"}`, `{"id":7,"task":"sum","in":1,"ms":3}`, `{"id":7,"task":"sum"}`,
		`{"id":7,"task":"sum","in":1}}`, `{"id":7,"cancel":true}`, `{"id":-7,"task":"sum","in":1}`, `{"id":7,"task":"s","in":{"task":"x","in":2}}`,
		`{"id":07,"task":"sum","in":1}`, `{"id":7,"task":"a\u0062","in":1}`, `{"id":7,"task":"sum","in":1,"in":2}`, `{"id":7,"task":"","in":}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		quick, ok := quickRequest(text)
		var whole request
		if !ok || !json.Valid(text) || json.Unmarshal(text, &whole) != nil { // the channel lets nothing else through
			return
		}
		var q, w any
		qerr := quick.input(&q)
		werr := json.Unmarshal(whole.In, &w)
		qtext, _ := json.Marshal(q)
		wtext, _ := json.Marshal(w)
		if quick.ID != whole.ID || quick.Task != whole.Task || (qerr == nil) != (werr == nil) || string(qtext) != string(wtext) {
			t.Errorf("%q: %d %q %s, %v; parsed: %d %q %s, %v", text, quick.ID, quick.Task, qtext, qerr, whole.ID, whole.Task, wtext, werr)
		}
	})
}

func TestMessages(t *testing.T) {
	c := &call[string, int]{task: &Task[string, int]{Name: `a "task"`}, in: "x\n"}
	text, err := appendRequest(nil, 12, c)
	if want := `{"id":12,"task":"a \"task\"","in":"x\n"}`; err != nil || string(text) != want {
		t.Errorf("%s, %v", text, err)
	}
	if text := string(appendCancel(nil, 12)); text != `{"id":12,"cancel":true}` {
		t.Error(text)
	}
	if text := string(appendOutput(nil, 12)); text != `{"id":12,"out":` {
		t.Error(text)
	}
	bad := &call[chan int, int]{task: &Task[chan int, int]{Name: "bad"}}
	if _, err := appendRequest(nil, 1, bad); err == nil {
		t.Error("a channel was made JSON")
	}
	panicked := errors.Join(&PanicError{Task: "t", Value: errors.New("inner")})
	if got := answerOf(3, panicked); got.Panic == nil || *got.Panic != "inner" || got.ID != 3 {
		t.Errorf("%+v", got)
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	if h.quantile(0.5) != 0 {
		t.Error("of nothing")
	}
	for i := range 1000 {
		h.add(time.Duration(i) * time.Microsecond)
	}
	for q, exact := range map[float64]time.Duration{0.5: 500 * time.Microsecond, 0.99: 990 * time.Microsecond} {
		if got := h.quantile(q); got < exact || got > exact*5/4 {
			t.Errorf("quantile %v: %v, exactly %v", q, got, exact)
		}
	}
	for _, d := range []time.Duration{-1, 0, 1, 4, 5, 7, 8, time.Hour, 1<<63 - 1} {
		var h histogram
		h.add(d)
		if got := h.quantile(0.5); got < d && d < 1<<61 || d > 4 && d < 1<<61 && got > d+d/4 {
			t.Errorf("%v is in the class up to %v", d, got)
		}
	}
}

// As libuv reads UV_THREADPOOL_SIZE.
func TestThreadpoolSize(t *testing.T) {
	for text, want := range map[string]int{
		"8": 8, "0": 1, "": 1, "x": 1, "1024": 1024, "1025": 1024, "99999999999999999999": 1024, " 12": 12, "6 of them": 6, "-1": 1024, "+3": 3,
	} {
		t.Setenv(sizeVar, text)
		if got := ThreadpoolSize(); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestListTakesFromAnywhere(t *testing.T) {
	var l list
	jobs := make([]job, 5)
	for i := range jobs {
		jobs[i].turn = uint64(i)
		l.push(&jobs[i])
	}
	l.remove(&jobs[4])
	l.remove(&jobs[2])
	l.remove(&jobs[0])
	l.insert(&jobs[2])
	l.insert(&jobs[4])
	l.insert(&jobs[0])
	for _, want := range []*job{&jobs[0], &jobs[1], &jobs[2], &jobs[3], &jobs[4], nil} {
		if got := l.pop(); got != want || got != nil && got.in != nil {
			t.Errorf("popped %p, want %p", got, want)
		}
	}
	if l.n != 0 || l.first != nil || l.last != nil {
		t.Errorf("%+v", l)
	}
}
