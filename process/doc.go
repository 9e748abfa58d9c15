// Package process is about this process: the name it shows, the ways it can end,
// the signals it gets, the terminal it may have, the channel that its parent may
// have opened to it, and what the parent told it of itself.
//
// What Node has as process.on('exit'), process.exit and
// process.on('uncaughtException') is [Main] here:
//
//	func main() {
//		process.Main(func(life *process.Life) int {
//			life.OnExit(func(code int) { … })
//			…
//			return 0
//		})
//	}
package process
