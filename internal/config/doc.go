// Package config reads configuration files: bytes in one of the formats → what
// they declare. It knows the keys, PM2's and ours, in one table, from which the
// JSON Schema and the documentation are made too.
//
// The package is pure. Files written in JavaScript or TypeScript are run by
// their own runtime elsewhere; what they export comes here as JSON. Files that
// a configuration names are read by a function that the caller gives.
package config
