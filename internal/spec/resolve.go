package spec

// Resolve makes an app of the word and options of a start command. Errors are
// faults that name the flag in Field and what to do in Remedy. The default log
// files lie in logDir.
func Resolve(m Machine, logDir string, req Start) (App, error) { return App{}, nil }

// With returns the app with the options laid over it, as restart and reload
// do: what is not given stays, also the environment, unless UpdateEnv lays the
// caller's over it. A value "null" takes an attribute back to its default.
func (a App) With(m Machine, o Options, caller Caller) (App, error) { return a, nil }
