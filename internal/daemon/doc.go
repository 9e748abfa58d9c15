// Package daemon is the composition root: it builds the parts that guard apps,
// joins their Runs, and stops them in reverse. It also finds the daemon of a
// home, and starts one where none answers.
package daemon
