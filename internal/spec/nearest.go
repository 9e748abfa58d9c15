package spec

// Nearest returns the word of from that is most like word, for "did you
// mean", or "" when none is near.
func Nearest(word string, from []string) string {
	best, found := 1+len(word)/3, ""
	for _, w := range from {
		if d := distance(word, w); w != word && d <= best && d < max(len(word), len(w)) {
			if d < best || found == "" {
				best, found = d, w
			}
		}
	}
	return found
}

// distance counts the letters to insert, drop, change or swap with their
// neighbour to get from a to b.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
