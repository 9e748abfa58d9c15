// Package watch tells when files change. It knows folders, patterns and bursts of
// changes, and no app.
//
// The system tells of the folders it is asked about (inotify on Linux) and not of
// those below them, so each folder is asked about that is not ignored, and each
// that comes to be. One goroutine, [Watcher.Run], owns all of it; while nothing
// changes it is asleep, and while nothing is watched the system is asked nothing.
//
//	Watch ──▶ walk, ask for each folder ──▶ Began (what could not be watched)
//	change ──▶ wait until it is quiet ────▶ Changed (what changed)
//
// Editors save by writing beside and renaming: the folder tells of it, and what
// comes of it is one burst. A folder that is made is walked at once, for there may
// be files in it before the system tells of them. A watched folder that goes is
// waited for in the one above it. When the system has dropped events, all folders
// are walked anew and it is told that something changed.
package watch
