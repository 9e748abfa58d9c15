package config

import (
	"strconv"
	"strings"
	"time"

	"github.com/tendproc/tend/internal/spec"
)

// field lays a value of one kind into an option.
func field[T any](at func(*spec.Options) **T, as func(any) (T, error)) func(*app, any) error {
	return func(a *app, v any) error {
		value, err := as(v)
		if err == nil {
			*at(&a.Options) = &value
		}
		return err
	}
}

func text(at func(*spec.Options) **string) func(*app, any) error    { return field(at, asText) }
func toggle(at func(*spec.Options) **bool) func(*app, any) error    { return field(at, asSwitch) }
func count(at func(*spec.Options) **int) func(*app, any) error      { return field(at, asNumber) }
func words(at func(*spec.Options) **[]string) func(*app, any) error { return field(at, asWords) }
func texts(at func(*spec.Options) **[]string) func(*app, any) error { return field(at, asTexts) }

func lasting(at func(*spec.Options) **time.Duration) func(*app, any) error {
	return field(at, asDuration)
}

func setScript(a *app, v any) (err error) {
	a.Word, err = asText(v)
	return err
}

func setCount(a *app, v any) error {
	return field(func(o *spec.Options) **string { return &o.Instances }, asCount)(a, v)
}

func setMemory(a *app, v any) error {
	return field(func(o *spec.Options) **string { return &o.MaxMemory }, asSize)(a, v)
}

func setMemoryLimit(a *app, v any) error {
	return field(func(o *spec.Options) **string { return &o.MemoryLimit }, asSize)(a, v)
}

func setCodes(a *app, v any) error {
	return field(func(o *spec.Options) **[]int { return &o.StopExitCodes }, asCodes)(a, v)
}

func setFilter(a *app, v any) error {
	return field(func(o *spec.Options) **[]string { return &o.FilterEnv }, asFilter)(a, v)
}

// setNothing is for what is read when it is needed, see PostUpdate.
func setNothing(_ *app, v any) error {
	_, err := asTexts(v)
	return err
}

func setEnv(a *app, v any) (err error) {
	a.env, err = asVariables(v)
	return err
}

func setEnvFile(a *app, v any) (err error) {
	if _, section := v.(map[string]any); section {
		return nil // of --env file
	}
	a.envFiles, err = asTexts(v)
	return err
}

func setPort(a *app, v any) error {
	n, err := asNumber(v)
	if err == nil {
		a.port = strconv.Itoa(n)
	}
	return err
}

func setTime(a *app, v any) error {
	on, err := asSwitch(v)
	if on && a.Options.LogDate == nil {
		format := spec.StampTime
		a.Options.LogDate = &format
	}
	return err
}

func setNoLogs(a *app, v any) error {
	on, err := asSwitch(v)
	if on {
		none := spec.NoLog
		a.Options.OutFile, a.Options.ErrorFile = &none, &none
	}
	return err
}

func setWatch(a *app, v any) error {
	on, isSwitch := v.(bool)
	if isSwitch {
		a.Options.Watch = &on
		return nil
	}
	paths, err := asTexts(v)
	if err == nil {
		on = true
		a.Options.Watch, a.Options.WatchPaths = &on, &paths
	}
	return err
}

func setWatchOptions(a *app, v any) error {
	options, err := asVariables(v)
	if follow := options["followSymlinks"]; follow != "" {
		yes := follow != "false"
		a.Options.WatchLinks = &yes
	}
	return err
}

func setExt(a *app, v any) error {
	list, err := asTexts(v)
	if err == nil {
		ext := strings.FieldsFunc(strings.Join(list, ","), func(r rune) bool { return r == ',' || r == ' ' })
		a.Options.WatchExt = &ext
	}
	return err
}
