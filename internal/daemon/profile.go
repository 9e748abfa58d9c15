package daemon

import (
	"bytes"
	"context"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/tendproc/tend/internal/api"
	"github.com/tendproc/tend/internal/fault"
)

// longestProfile is how long a profile may take.
const longestProfile = time.Hour

var measuring = &fault.Error{
	Code: fault.Conflict, Message: "the daemon is being profiled", Remedy: "Try again when that is over; nothing was changed.",
}

// Profile measures the whole process, which has one profiler.
func (s *apps) Profile(ctx context.Context, req api.ProfileRequest) (api.Profile, error) {
	if req.Kind != "cpu" && req.Kind != "mem" {
		return api.Profile{}, &fault.Error{Code: fault.Invalid, Field: "kind", Message: `want "cpu" or "mem"`}
	}
	if req.For < 0 || req.For > longestProfile {
		return api.Profile{}, &fault.Error{Code: fault.Invalid, Field: "for", Message: "want a time from 0 to an hour"}
	}
	if !s.measured.TryLock() {
		return api.Profile{}, measuring
	}
	defer s.measured.Unlock()
	var data bytes.Buffer
	err := measure(ctx, req, &data)
	return api.Profile{Data: data.Bytes()}, err
}

func measure(ctx context.Context, req api.ProfileRequest, data *bytes.Buffer) error {
	if req.Kind == "cpu" {
		if err := pprof.StartCPUProfile(data); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	timer := time.NewTimer(req.For)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	if req.Kind == "cpu" {
		return nil
	}
	runtime.GC() // the profile is of the last one
	_, err := data.Write(heapProfile())
	return err
}
