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
	d := firstGap
	for i := 2; i < short && d < maxGap; i++ {
		d *= 2
	}
	return min(d, maxGap)
}
