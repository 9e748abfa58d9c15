package cron

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	loc, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	when, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return when.In(loc)
}

func TestNext(t *testing.T) {
	for _, c := range []struct{ pattern, after, want string }{
		{"*/2 * * * * *", "2026-10-31T12:00:00-04:00", "2026-10-31T12:00:02-04:00"},
		{"0 3 * * *", "2026-10-31T03:00:00.5-04:00", "2026-11-01T03:00:00-05:00"},
		{"@daily", "2026-10-30T12:00:00-04:00", "2026-10-31T00:00:00-04:00"},
		{"@every 1h30m", "2026-10-30T12:00:00-04:00", "2026-10-30T13:30:00-04:00"},
		{"0 12 * * 7", "2026-10-31T12:00:00-04:00", "2026-11-01T12:00:00-05:00"},
		{"0 0 13 * FRI", "2026-11-01T00:00:00-04:00", "2026-11-06T00:00:00-05:00"}, // either of the two days
		{"0 0 29 2 *", "2026-10-31T12:00:00-04:00", "2028-02-29T00:00:00-05:00"},
		{"0 0 L * *", "2026-10-31T12:00:00-04:00", "2026-11-30T00:00:00-05:00"},

		// The clock is put forward from 2 to 3.
		{"30 2 * * *", "2026-03-07T12:00:00-05:00", "2026-03-08T03:00:00-04:00"},
		{"30 2 * * *", "2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"},
		{"10 * * * *", "2026-03-08T01:15:00-05:00", "2026-03-08T03:10:00-04:00"},
		// It is put back from 2 to 1.
		{"30 1 * * *", "2026-10-31T12:00:00-04:00", "2026-11-01T01:30:00-04:00"},
		{"30 1 * * *", "2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"},
		{"*/20 * * * *", "2026-11-01T01:40:00-04:00", "2026-11-01T01:00:00-05:00"},
	} {
		got, err := Next(c.pattern, at(t, c.after))
		if err != nil || !got.Equal(at(t, c.want)) {
			t.Errorf("Next(%q, %s) = %s, %v; want %s", c.pattern, c.after, got.Format(time.RFC3339), err, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	for pattern, want := range map[string]string{
		"0 0 31 2 *":      "never comes due",
		"61 * * * *":      "'61' out of bounds(0, 59)",
		"5-1 * * * *":     "out of bounds",
		"* * *":           "neither five nor six fields",
		"nonsense":        "neither five nor six fields",
		"@every 1":        "not a time",
		"@every 1ms":      "not a time",
		"0 0 1 1 * 2020":  "never comes due",
		"* * * * * foo":   "invalid syntax",
		"@reboot":         "neither five nor six fields",
		"*/0 * * * *":     "",
		"* * * * * * * *": "neither",
	} {
		err := Check(pattern)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check(%q) = %v, want %q", pattern, err, want)
		}
	}
}

func BenchmarkNext(b *testing.B) {
	now := time.Date(2026, 10, 31, 12, 0, 0, 0, time.UTC)
	for b.Loop() {
		if _, err := Next("0 3 * * *", now); err != nil {
			b.Fatal(err)
		}
	}
}
