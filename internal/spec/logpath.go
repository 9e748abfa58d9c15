package spec

import (
	"strconv"
	"strings"
)

// NoLog is the path of a log that is not kept.
const NoLog = "/dev/null"

// LogPath puts -ID before the .log of a numbered path. Paths that do not end
// in .log stay, and so does [NoLog].
func LogPath(path string, id int, numbered bool) string {
	base, ok := strings.CutSuffix(path, ".log")
	if !numbered || !ok {
		return path
	}
	return base + "-" + strconv.Itoa(id) + ".log"
}

// CombinedPath returns the file that gets both outputs of the app's instance id, ""
// for none.
func (a App) CombinedPath(id int) string {
	return LogPath(a.LogFile, id, !a.MergeLogs && (a.Numbered || a.Mode == Cluster))
}

// LogPaths returns the log files of the app's instance id.
func (a App) LogPaths(id int) (out, err string) {
	numbered := !a.MergeLogs && (a.Numbered || a.Mode == Cluster)
	return LogPath(a.OutFile, id, numbered), LogPath(a.ErrorFile, id, numbered)
}
