// Package interop tests what works between runtimes: Go, each Node and Bun, in
// either role, for messages, sockets and clusters. What does not work stands in
// the tests by name, with its reason, and is tried all the same: a runtime that
// learns it fails the test. The outcome is docs/interop.md.
package interop
