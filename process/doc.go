// Package process is about this process: the channel that its parent may have
// opened to it, and what the parent told it of itself.
package process
