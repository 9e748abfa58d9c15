// Package cron tells when a pattern comes due: minute, hour, day of month, month
// and day of week, with seconds before them if there are six fields; @daily and
// its like; @every 1h30m.
//
// Times are those of the clock on the wall. A fixed hour that a change to summer
// time leaves out comes due when the clock is put forward; one that a change
// back repeats comes due once. A pattern for any hour goes on in real time.
package cron

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/adhocore/gronx"
)

// every begins a pattern that is a pause and no time of day.
const every = "@every "

// leastEvery bounds such a pause.
const leastEvery = time.Second

// Check says what is wrong with a pattern.
func Check(pattern string) error {
	_, err := Next(pattern, reference)
	return err
}

// reference is a time after which a pattern has to come due; which one matters only
// to those that name a year.
var reference = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Next is the first time after after at which pattern comes due.
func Next(pattern string, after time.Time) (time.Time, error) {
	if rest, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(pattern)), every); ok {
		d, err := time.ParseDuration(strings.TrimSpace(rest))
		if err != nil || d < leastEvery {
			return time.Time{}, fmt.Errorf("%q is not a time of at least %v", rest, leastEvery)
		}
		return after.Add(d), nil
	}
	fields, err := gronx.Segments(pattern)
	if err != nil {
		return time.Time{}, errors.New("has neither five nor six fields")
	}
	if !gronx.New().IsValid(pattern) {
		return time.Time{}, invalid(pattern, after)
	}
	next, err := gronx.NextTickAfter(pattern, after, false)
	if err != nil {
		return time.Time{}, errors.New("never comes due")
	}
	if !strings.HasPrefix(fields[2], "*") {
		if at := leftOut(pattern, after); !at.IsZero() && at.Before(next) {
			return at, nil
		}
	}
	return next, nil
}

// invalid says which field is wrong.
func invalid(pattern string, after time.Time) error {
	_, err := gronx.NextTickAfter(pattern, after, false)
	if err == nil {
		return errors.New("is not a pattern")
	}
	_, reason, found := strings.Cut(err.Error(), ": ")
	if !found {
		reason = err.Error()
	}
	return errors.New(reason)
}

// leftOut returns when the clock is put forward over the next time that it would
// have shown, zero if it shows that time.
func leftOut(pattern string, after time.Time) time.Time {
	const wall = time.DateTime
	shown, err := time.Parse(wall, after.Format(wall))
	if err != nil {
		return time.Time{}
	}
	want, err := gronx.NextTickAfter(pattern, shown, false)
	if err != nil {
		return time.Time{}
	}
	at, err := time.ParseInLocation(wall, want.Format(wall), after.Location())
	if err != nil || at.Format(wall) == want.Format(wall) {
		return time.Time{}
	}
	start, end := at.ZoneBounds()
	if at.Format(wall) < want.Format(wall) {
		start = end
	}
	if !start.After(after) {
		return time.Time{}
	}
	return start
}
