package main

import "runtime/debug"

// version is set when a release is built: -ldflags "-X main.version=1.2.3".
var version string

// programVersion is the release, else what the build knows of its source.
func programVersion() string {
	if version != "" {
		return version
	}
	const none = "0.0.0-dev"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return none
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return none + "+" + s.Value[:min(12, len(s.Value))]
		}
	}
	return none
}
