// Package glob matches paths against patterns: * and ? within a name, ** over
// any number of folders, [a-z] and {a,b}.
package glob

import "github.com/bmatcuk/doublestar/v4"

// Valid says whether pattern is one.
func Valid(pattern string) bool { return doublestar.ValidatePattern(pattern) }

// Match says whether path, parted by slashes, is one that a valid pattern means.
func Match(pattern, path string) bool { return doublestar.MatchUnvalidated(pattern, path) }

// Split parts a pattern into the folder that all it means lies in and the rest,
// which is "" if path is no pattern but means itself.
func Split(pattern string) (base, rest string) {
	if !special(pattern) {
		return pattern, ""
	}
	return doublestar.SplitPattern(pattern)
}

func special(pattern string) bool {
	for i := range len(pattern) {
		switch pattern[i] {
		case '*', '?', '[', '{', '\\':
			return true
		}
	}
	return false
}
