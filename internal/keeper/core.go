package keeper

import "time"

// Lives shorter than stable count as failures in a row.
const (
	stable   = 10 * time.Second
	firstGap = 100 * time.Millisecond
	maxGap   = 10 * time.Second
)

// gap is the pause before the daemon is started again, after it has failed
// short times in a row: none the first time, then doubling.
func gap(short int) time.Duration {
	if short <= 1 {
		return 0
	}
	return min(firstGap<<min(short-2, 10), maxGap)
}

// after is how many lives in a row were short, once another has ended.
func after(short int, served, killed bool, lived time.Duration) int {
	switch {
	case served && killed:
		return 0 // somebody did that to it: it can live with its state
	case lived >= stable:
		return 1
	}
	return short + 1
}
