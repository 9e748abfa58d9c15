// Package arch holds the shape of the module as tests: which package may
// import which, what pure packages must not touch, where a dependency is
// allowed, how large a function, a file and a struct may grow.
//
// A failing test here names the file and the rule. Change the table only
// together with docs/ARCHITECTURE.md.
package arch
